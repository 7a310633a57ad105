/** The machine: processor, memory encryption, SEV-ES, hypervisor, devices, boot. */
module dev.vesper.machine {
  requires static transitive org.jspecify;
  requires transitive dev.vesper.ghcb;
  requires transitive dev.vesper.x86;

  exports dev.vesper.machine;
  exports dev.vesper.machine.spec;
  exports dev.vesper.machine.host;
  exports dev.vesper.machine.hostile;
  exports dev.vesper.machine.input;
  exports dev.vesper.machine.observe;
  exports dev.vesper.machine.observe.check;
  exports dev.vesper.machine.observe.flow;
  exports dev.vesper.machine.observe.format;
  exports dev.vesper.machine.observe.html;
  exports dev.vesper.machine.launch;
  exports dev.vesper.machine.device.disk;
  exports dev.vesper.machine.device.net;
  exports dev.vesper.machine.device.share;
  exports dev.vesper.machine.asn1 to
      dev.vesper.cli;
}
