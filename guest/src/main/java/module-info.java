/** The reference guest kernel. */
module dev.vesper.guest {
  requires static org.jspecify;
  requires dev.vesper.ghcb;
  requires dev.vesper.x86;

  exports dev.vesper.guest;
}
