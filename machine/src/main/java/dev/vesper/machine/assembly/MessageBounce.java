package dev.vesper.machine.assembly;

import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.machine.sev.SnpSecureProcessor;
import dev.vesper.machine.vmm.GuestRequests;
import java.util.Objects;

/**
 * Takes messages by way of two pages of the host's: the secure processor writes to pages alone that
 * were given to it, and a guest's page cannot be.
 */
final class MessageBounce implements GuestRequests {
  private final SnpSecureProcessor processor;
  private final long context;
  private final HostRmp rmp;
  private final Page request;
  private final Page response;

  /**
   * @param context of the guest
   */
  MessageBounce(SnpSecureProcessor processor, long context, PhysicalMemory memory) {
    this.processor = processor;
    this.context = context;
    rmp = Objects.requireNonNull(memory.hostView().rmp());
    request = memory.page(memory.allocateHostPage(), Page.SHARED);
    response = memory.page(memory.allocateHostPage(), Page.SHARED);
  }

  @Override
  public Answer forward(byte[] page) {
    byte[] b = new byte[Page.SIZE];
    request.copyFrom(0, page, 0, Page.SIZE);
    response.copyFrom(0, b, 0, Page.SIZE);
    update(RmpEntry.guest(0, 0).forFirmware());
    int status = 0;
    String why;
    try {
      processor.guestRequest(context, address(request), address(response));
      why = processor.lastRefusal(context);
    } catch (CommandFailed e) {
      status = e.status().code();
      why = String.valueOf(e.getMessage());
    }
    processor.pageReclaim(address(response));
    update(RmpEntry.HYPERVISOR);
    response.copyTo(0, b, 0, Page.SIZE);
    return new Answer(status, why, b);
  }

  private static long address(Page p) {
    return (long) p.frame << 12;
  }

  private void update(RmpEntry e) {
    RmpResult r = rmp.update(address(response), e);
    assert r == RmpResult.SUCCESS : r;
  }
}
