package dev.vesper.machine.vmm;

import dev.vesper.ghcb.GuestRequestResult;
import dev.vesper.machine.launch.CertificateTable;
import dev.vesper.machine.launch.GuestMessage;
import dev.vesper.machine.launch.GuestMessageType;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.observe.HostObserver;

/** What KVM does with a guest's messages to the secure processor (spec: snp 3.4). */
final class MessageService {
  private static final int PAGE = 0x1000;

  /**
   * Virtual time that the secure processor takes for a message. It is of the order of what a
   * processor's takes to sign, and a guest that asks for reports without end comes to its limit.
   */
  static final long NANOS = 1_000_000;

  private final Hypervisor host;
  private final HostView memory;
  private final PageStates states;

  MessageService(Hypervisor host, PageStates states) {
    this.host = host;
    this.states = states;
    memory = host.memory;
  }

  /**
   * What a request comes to.
   *
   * @param malformed its pages make no request
   * @param info2 SW_EXITINFO2 of one that does
   * @param pages RBX of an extended one: how many pages for certificates it has, or needs
   * @param why it is not as the guest would like it; empty if it is
   */
  record Answer(boolean malformed, long info2, long pages, String why) {}

  /**
   * {@return the answer to a guest request}
   *
   * @param extended with a report, the certificates of who signs it are wanted
   * @param data where
   * @param pages how many pages there are for them
   */
  Answer serve(boolean extended, long request, long response, long data, long pages) {
    Answer a = answer(extended, request, response, data, pages);
    HostObserver o = host.observer;
    if (o != null) {
      o.answeredRequest(
          extended,
          request,
          response,
          a.malformed ? GhcbService.MALFORMED : 0,
          a.malformed ? GhcbService.INVALID_INPUT : a.info2,
          a.why);
    }
    return a;
  }

  private Answer answer(boolean extended, long request, long response, long data, long pages) {
    String wrong = wrong(request, response, data);
    if (!wrong.isEmpty()) {
      return new Answer(true, 0, pages, wrong);
    }
    GuestRequests way = host.guestRequests;
    if (way == null) {
      return failed(GuestRequestResult.GENERIC, pages, "this host has nobody who answers messages");
    }
    byte[] message = new byte[PAGE];
    memory.read(request, message, 0, PAGE);
    boolean certified =
        extended && GuestMessage.Header.of(message).type() == GuestMessageType.REPORT_REQ.number();
    byte[] table = host.certificates;
    if (certified && table.length == 0 && pages != 0) {
      table = new byte[CertificateTable.ENTRY];
    }
    long needed = (table.length + PAGE - 1) / PAGE;
    if (certified && Long.compareUnsigned(pages, needed) < 0) {
      return failed(
          GuestRequestResult.INVALID_LENGTH, needed, "certificates take " + needed + " pages");
    }
    for (long i = 0; certified && i < needed; i++) {
      if (!states.isShared(data + i * PAGE)) {
        return new Answer(true, 0, pages, "a data page" + notShared(data + i * PAGE));
      }
    }
    GuestRequests.Answer a = way.forward(message);
    host.takes(NANOS);
    memory.write(response, a.response(), 0, PAGE);
    if (certified && a.status() == 0) {
      memory.write(data, table, 0, table.length);
    }
    return new Answer(false, new GuestRequestResult(a.status(), 0).encode(), pages, a.why());
  }

  private static Answer failed(int error, long pages, String why) {
    return new Answer(false, new GuestRequestResult(0, error).encode(), pages, why);
  }

  /** {@return what is wrong with the pages of a guest request, empty if nothing is} */
  private String wrong(long request, long response, long data) {
    if ((data & PAGE - 1) != 0) {
      return "the data pages do not begin at a page";
    }
    if ((request & PAGE - 1) != 0 || (response & PAGE - 1) != 0) {
      return "the " + ((request & PAGE - 1) != 0 ? "request" : "response") + " is no whole page";
    }
    if (request == response) {
      return "request and response are the same page";
    }
    if (!states.isShared(request)) {
      return "the request" + notShared(request);
    }
    return states.isShared(response) ? "" : "the response" + notShared(response);
  }

  private String notShared(long gpa) {
    return memory.contains(gpa, PAGE) ? " is a private page" : " is where no memory is";
  }
}
