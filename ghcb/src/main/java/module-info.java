/** The GHCB standard as a library: page layout, MSR protocol, NAE events. No machine. */
module dev.vesper.ghcb {
  requires static transitive org.jspecify;

  exports dev.vesper.ghcb;
}
