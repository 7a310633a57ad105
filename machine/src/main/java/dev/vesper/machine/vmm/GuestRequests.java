package dev.vesper.machine.vmm;

/** The way to the secure processor that a host has for its guest's messages. */
@FunctionalInterface
public interface GuestRequests {
  /**
   * What became of a message.
   *
   * @param status of the command; 0 is success
   * @param why it is not, or what was refused inside the message; empty if all is well
   * @param response the page that the guest is given
   */
  record Answer(int status, String why, byte[] response) {}

  /**
   * {@return the secure processor's answer}
   *
   * @param request a page, as the guest has written it
   */
  Answer forward(byte[] request);
}
