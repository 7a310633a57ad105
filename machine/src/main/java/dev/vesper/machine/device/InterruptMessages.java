package dev.vesper.machine.device;

/** Where message-signalled interrupts go: writes to the page of local APICs at FEE0_0000h. */
@FunctionalInterface
public interface InterruptMessages {
  /**
   * A message is written (AMD APM volume 2, 16.10).
   *
   * @param address destination in bits 19:12, logical destination in bit 2
   * @param data vector 7:0, delivery mode 10:8, assert 14, level 15
   */
  void send(long address, int data);
}
