/** The x86 instruction set as data: opcode table, decoder, formatter and assembler. */
module dev.vesper.x86 {
  requires static transitive org.jspecify;

  exports dev.vesper.x86;
}
