package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.HvDoorbell;
import dev.vesper.ghcb.HvFeatures;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.ghcb.PageStateList;
import dev.vesper.machine.launch.GuestMessage;
import dev.vesper.machine.launch.GuestMessageType;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PageOwnership;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.machine.trace.Tracer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What KVM answers guests under SEV-SNP, event by event (spec: snp section 3). */
final class SnpServiceTest {
  private static final long GHCB = 0x2000;
  private static final int FREE = 0x40;

  private OneVcpuHost guest = new OneVcpuHost(SevMode.SNP);
  private HostView view = guest.view;
  private HostRmp rmp = Objects.requireNonNull(view.rmp());
  private VirtualCpu vcpu = guest.vcpu;
  private Hypervisor host = start(false);
  private final List<Event> events = new ArrayList<>();
  private final Tracer tracer = guest.trace(host, events::add);
  private final byte[] page = new byte[4096];
  private final GhcbPage ghcb = new GhcbPage(page);
  private final PageStateList list = new PageStateList(page, GhcbPage.SHARED_BUFFER);

  private Hypervisor start(boolean localApics) {
    return guest.start(new KvmProfile(), CpuModel.named("EPYC-Milan"), localApics, b -> {});
  }

  /** Has another guest, with a local APIC. */
  private void launch(SnpLaunch snp) {
    guest = new OneVcpuHost(SevMode.SNP, snp);
    view = guest.view;
    rmp = Objects.requireNonNull(view.rmp());
    vcpu = guest.vcpu;
    host = start(true);
  }

  private static SnpLaunch restricted() {
    return SnpLaunch.DEFAULT.withFeatures(1 | SevFeature.RESTRICTED_INJECTION.mask);
  }

  private static SnpLaunch offering(long features) {
    return SnpLaunch.DEFAULT.withHost(SnpHost.KVM.offering(features));
  }

  private long msr(long value) {
    vcpu.vmcb().set(Vmcb.GHCB_GPA, value);
    host.handlers.vmgexit(host.vcpus.getFirst());
    return vcpu.vmcb().get(Vmcb.GHCB_GPA);
  }

  private void register() {
    assertThat(msr(GHCB | MsrRequest.REGISTER_GHCB_REQ))
        .isEqualTo(GHCB | MsrRequest.REGISTER_GHCB_RESP);
  }

  private void request(int code, long info1, long info2) {
    Arrays.fill(page, 0, GhcbPage.SHARED_BUFFER, (byte) 0);
    ghcb.set(GhcbField.SW_EXITCODE, code & 0xFFFF_FFFFL);
    ghcb.set(GhcbField.SW_EXITINFO1, info1);
    ghcb.set(GhcbField.SW_EXITINFO2, info2);
  }

  /** Sends the request; {@return INFO1 and INFO2} */
  private List<Long> exit() {
    view.write(GHCB, page, 0, 4096);
    msr(GHCB);
    view.read(GHCB, page, 0, 4096);
    return List.of(ghcb.get(GhcbField.SW_EXITINFO1), ghcb.get(GhcbField.SW_EXITINFO2));
  }

  private List<Long> change(PageStateEntry... entries) {
    list.set(List.of(entries));
    return change();
  }

  private List<Long> change() {
    request(ExitCode.SNP_PAGE_STATE_CHANGE, 0, 0);
    ghcb.set(GhcbField.SW_SCRATCH, GHCB + GhcbPage.SHARED_BUFFER);
    return exit();
  }

  private PageOwnership state(long gfn) {
    return rmp.read(gfn << 12).state();
  }

  @Test
  void featuresAreThoseOfKvm() {
    assertThat(msr(MsrRequest.HV_FEATURES_REQ)).isEqualTo(0x3081);
    register();
    request(ExitCode.HV_FEATURES, 0, 0);
    assertThat(exit()).containsExactly(0L, 3L);
    assertThat(msr(MsrRequest.PREFERRED_GHCB_REQ)).isEqualTo(MsrRequest.NO_PREFERENCE);
    assertThat(msr(MsrRequest.runVmpl(2))).isEqualTo(0x1_0000_0017L);
  }

  @Test
  void anEventNeedsThePageThatWasRegistered() {
    request(ExitCode.HV_FEATURES, 0, 0);
    assertThat(exit()).containsExactly(2L, 1L);
    msr(0x3000 | MsrRequest.REGISTER_GHCB_REQ);
    request(ExitCode.HV_FEATURES, 0, 0);
    assertThat(exit()).containsExactly(2L, 1L);
    register();
    request(ExitCode.HV_FEATURES, 0, 0);
    assertThat(exit()).containsExactly(0L, 3L);
  }

  @Test
  void aPrivateGhcbEndsTheRun() {
    register();
    rmp.update(GHCB, RmpEntry.guest(GHCB, 1));
    msr(GHCB);
    assertThat(Objects.requireNonNull(host.outcome()).reason())
        .contains("GHCB")
        .contains("private");
  }

  @Test
  void pagesChangeByTheMsrProtocol() {
    assertThat(msr(MsrRequest.pageState(FREE, PageStateEntry.PRIVATE))).isEqualTo(0x15);
    assertThat(state(FREE)).isEqualTo(PageOwnership.GUEST_INVALID);
    assertThat(msr(MsrRequest.pageState(FREE, PageStateEntry.SHARED))).isEqualTo(0x15);
    assertThat(state(FREE)).isEqualTo(PageOwnership.HYPERVISOR);
    assertThat(msr(MsrRequest.pageState(0xFFFFF, PageStateEntry.PRIVATE)))
        .isEqualTo(0x8000_0000_0000_0015L);
    assertThat(msr(MsrRequest.pageState(0xFFFFF, PageStateEntry.SHARED))).isEqualTo(0x15);
  }

  /** Behind guest memory are pages of the host's, some of which the table has as the guest's. */
  @Test
  void pagesOfTheHostAreNotTheGuestsToShare() {
    long area = vcpu.vmcb().get(Vmcb.VMSA_PTR);
    rmp.update(area, RmpEntry.guest(EncryptedVcpu.LAUNCHED_AT, 1));
    assertThat(msr(MsrRequest.pageState(area >>> 12, PageStateEntry.SHARED))).isEqualTo(0x15);
    register();
    assertThat(change(PageStateEntry.of(area >>> 12, PageStateEntry.SHARED, false)))
        .containsExactly(0L, 0L);
    assertThat(state(area >>> 12)).isEqualTo(PageOwnership.GUEST_INVALID);
  }

  @Test
  void aListIsServedToItsEnd() {
    register();
    List<PageStateEntry> all = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      all.add(PageStateEntry.of(FREE + i, PageStateEntry.PRIVATE, false));
    }
    assertThat(change(all.toArray(PageStateEntry[]::new))).containsExactly(0L, 0L);
    assertThat(list.current()).isEqualTo(100);
    assertThat(list.end()).isEqualTo(99);
    for (int i = 0; i < 100; i++) {
      assertThat(state(FREE + i)).isEqualTo(PageOwnership.GUEST_INVALID);
      assertThat(list.entry(i).done()).isEqualTo(1);
    }
    assertThat(change()).as("nothing is left").containsExactly(0L, 0L);
  }

  @Test
  void progressStopsAtAWrongEntry() {
    register();
    PageStateEntry good = PageStateEntry.of(FREE, PageStateEntry.PRIVATE, false);
    PageStateEntry wrong = good.withDone(2);
    assertThat(change(good, wrong, good)).containsExactly(0L, PageStateList.BAD_ENTRY);
    assertThat(list.current()).isEqualTo(1);
    assertThat(state(FREE)).isEqualTo(PageOwnership.GUEST_INVALID);
    PageStateEntry outside = PageStateEntry.of(0xFFFFF, PageStateEntry.PRIVATE, false);
    assertThat(change(good, outside)).containsExactly(0L, PageStateList.FAILED);
    assertThat(list.current()).isEqualTo(1);
    PageStateEntry unaligned = PageStateEntry.of(0x41, PageStateEntry.SHARED, true);
    assertThat(change(unaligned)).containsExactly(0L, PageStateList.BAD_ENTRY);
  }

  @ParameterizedTest
  @CsvSource({"252, 0", "253, 4294967297", "65535, 4294967297"})
  void entriesLieWithinTheBuffer(int end, long result) {
    register();
    list.set(List.of(PageStateEntry.of(FREE, PageStateEntry.PSMASH, false)));
    page[GhcbPage.SHARED_BUFFER + 2] = (byte) end;
    page[GhcbPage.SHARED_BUFFER + 3] = (byte) (end >> 8);
    assertThat(change()).containsExactly(0L, result);
  }

  @Test
  void aPrivatePageThatIsAskedForAgainStaysValid() {
    register();
    PageStateEntry toPrivate = PageStateEntry.of(FREE, PageStateEntry.PRIVATE, false);
    change(toPrivate);
    RmpEntry before = rmp.read((long) FREE << 12);
    change(toPrivate);
    assertThat(rmp.read((long) FREE << 12)).isEqualTo(before);
    assertThat(change(PageStateEntry.of(FREE, 9, false))).containsExactly(0L, 0L);
    assertThat(rmp.read((long) FREE << 12)).isEqualTo(before);
  }

  @ParameterizedTest
  @CsvSource({
    // request, APIC, features, area, INFO1
    "1, 0, 1, 0x41000, 0",
    "0, 0, 1, 0x41000, 0",
    "2, 0, 0, 0, 0",
    "1, 7, 1, 0x41000, 2",
    "1, 0, 3, 0x41000, 2",
    "1, 0, 1, 0x41008, 2",
    "1, 0, 1, 0, 2",
    "1, 0, 1, 0x40000000, 2",
    "3, 0, 1, 0x41000, 2",
    "0x10001, 0, 1, 0x41000, 2"
  })
  void apCreationIsChecked(int what, int apic, long features, long area, long info1) {
    register();
    vcpu.vmcb().set(Vmcb.GUEST_SEV_FEATURES, 1);
    request(ExitCode.SNP_AP_CREATION, (long) apic << 32 | what, area);
    ghcb.set(GhcbField.RAX, features);
    List<Long> answer = exit();
    assertThat(answer).containsExactly(info1, info1 == 0 ? 0L : 5L);
    HostVcpu v = host.vcpus.getFirst();
    if (info1 == 0) {
      switch (what) {
        case ApCreation.CREATE -> assertThat(vcpu.vmcb().get(Vmcb.VMSA_PTR)).isEqualTo(area);
        case ApCreation.CREATE_ON_INIT -> assertThat(v.saveAreaAtInit).isEqualTo(area);
        default -> assertThat(v.state).isEqualTo(HostVcpu.State.DESTROYED);
      }
    }
  }

  // ---- what observers are told

  private <E extends Event> List<E> told(Class<E> type) {
    tracer.ended(0, "told");
    List<E> l = events.stream().filter(type::isInstance).map(type::cast).toList();
    events.clear();
    return l;
  }

  private static String words(RmpChanged c) {
    return "%s: %s 0x%x+%d, %s to %s, %d-%d%s"
        .formatted(
            c.cause(),
            c.what(),
            c.gpa() >>> 12,
            c.pages(),
            c.before().brief(),
            c.after().brief(),
            c.first(),
            c.last(),
            c.why().isEmpty() ? "" : ": " + c.why());
  }

  private List<String> changes() {
    return told(RmpChanged.class).stream().map(SnpServiceTest::words).toList();
  }

  @Test
  void aListOfLikeChangesIsOneEvent() {
    register();
    List<PageStateEntry> all = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      all.add(PageStateEntry.of(FREE + i, PageStateEntry.PRIVATE, false));
    }
    all.add(PageStateEntry.of(FREE + 5, PageStateEntry.SHARED, false));
    all.add(PageStateEntry.of(FREE + 6, PageStateEntry.PRIVATE, false));
    all.add(PageStateEntry.of(0xFFFFF, PageStateEntry.PRIVATE, false));
    change(all.toArray(PageStateEntry[]::new));
    assertThat(changes())
        .containsExactly(
            "page state change: private 0x40+100, Hypervisor to Guest-Invalid, 0-99",
            "page state change: shared 0x45+1, Guest-Invalid to Hypervisor, 100-100",
            "page state change: private 0x46+1, Guest-Invalid to Guest-Invalid, 101-101: the page"
                + " was so already",
            "page state change: private 0xfffff+1, Hypervisor to Hypervisor, 102-102: the guest has"
                + " no memory there");
  }

  /** The list is in the exchange, as it was and as the host has left it. */
  @Test
  void theExchangeHasTheListOfPages() {
    HostVcpu v = host.vcpus.getFirst();
    register();
    list.set(
        List.of(
            PageStateEntry.of(FREE, PageStateEntry.PRIVATE, false),
            PageStateEntry.of(0xFFFFF, PageStateEntry.PRIVATE, false)));
    request(ExitCode.SNP_PAGE_STATE_CHANGE, 0, 0);
    ghcb.set(GhcbField.SW_SCRATCH, GHCB + GhcbPage.SHARED_BUFFER);
    view.write(GHCB, page, 0, 4096);
    vcpu.vmcb().set(Vmcb.GHCB_GPA, GHCB);
    vcpu.vmcb().set(Vmcb.EXITCODE, ExitCode.VMGEXIT);
    host.exited(v);
    Event.GhcbExchange x = told(Event.GhcbExchange.class).getFirst();
    PageStateList asked = new PageStateList(x.request().buffer().toArray(), 0);
    PageStateList served = new PageStateList(x.answer().buffer().toArray(), 0);
    assertThat(x.request().buffer().length()).isEqualTo(24);
    assertThat(asked.current()).isZero();
    assertThat(asked.entry(1).gfn()).isEqualTo(0xFFFFF);
    assertThat(served.current()).isEqualTo(1);
    assertThat(served.entry(0).done()).isEqualTo(1);
    assertThat(x.action()).contains("page state change: the host failed");
  }

  @Test
  void otherCausesAreNamed() {
    msr(MsrRequest.pageState(FREE, PageStateEntry.PRIVATE));
    host.handlers.exit(host.vcpus.getFirst(), ExitCode.NPF, HostRmp.VIOLATION, (long) FREE << 12);
    rmp.update((long) FREE << 12, RmpEntry.guest((long) FREE << 12, 1));
    assertThat(changes())
        .containsExactly(
            "MSR protocol: private 0x40+1, Hypervisor to Guest-Invalid, -1--1",
            "implicit conversion: shared 0x40+1, Guest-Invalid to Hypervisor, -1--1",
            "host: RMPUPDATE 0x40+1, Hypervisor to Guest-Invalid, -1--1");
  }

  @Test
  void aRegistrationIsTold() {
    register();
    assertThat(told(GhcbRegistered.class)).extracting(GhcbRegistered::gpa).containsExactly(GHCB);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 0, 1, 0x41000, ''",
    "1, 7, 1, 0x41000, APIC ID",
    "1, 0, 3, 0x41000, SEV_FEATURES",
    "1, 0, 1, 0x41008, whole page",
    "1, 0, 1, 0, 2 MiB",
    "1, 0, 1, 0x40001000, no memory",
    "3, 0, 1, 0x41000, no such request"
  })
  void anApCreationIsToldWithWhatIsWrong(int what, int apic, long features, long area, String why) {
    register();
    vcpu.vmcb().set(Vmcb.GUEST_SEV_FEATURES, 1);
    request(ExitCode.SNP_AP_CREATION, (long) apic << 32 | what, area);
    ghcb.set(GhcbField.RAX, features);
    exit();
    ApCreationAsked a = told(ApCreationAsked.class).getFirst();
    assertThat(a.why()).contains(why);
    assertThat(a.why().isEmpty()).isEqualTo(why.isEmpty());
    assertThat(a.area()).isEqualTo(area);
    assertThat(a.features()).isEqualTo(features);
    assertThat(ApCreation.of(a.info1())).isEqualTo(new ApCreation(what, 0, apic));
  }

  private String refusal(boolean extended, long request, long response, long data) {
    int code = extended ? ExitCode.SNP_EXTENDED_GUEST_REQUEST : ExitCode.SNP_GUEST_REQUEST;
    request(code, request, response);
    if (extended) {
      ghcb.set(GhcbField.RAX, data);
      ghcb.set(GhcbField.RBX, 1);
    }
    List<Long> answer = exit();
    GuestRequestAnswered a = told(GuestRequestAnswered.class).getFirst();
    assertThat(a.extended()).isEqualTo(extended);
    assertThat(List.of(a.info1(), a.info2())).as("as the guest is told").isEqualTo(answer);
    return a.why();
  }

  @Test
  void aRefusedGuestRequestNamesTheCheck() {
    register();
    assertThat(refusal(false, 0x41000, 0x42000, 0)).contains("nobody");
    assertThat(refusal(true, 0x41000, 0x42000, 0x43000)).contains("nobody");
    assertThat(refusal(false, 0x41000, 0x41000, 0)).contains("same page");
    assertThat(refusal(false, 0x41000, 0x42008, 0)).contains("response", "whole page");
    assertThat(refusal(false, 0x41000, 0x4000_0000, 0)).contains("response", "no memory");
    assertThat(refusal(true, 0x41000, 0x42000, 0x44008)).contains("data pages");
    rmp.update(0x41000, RmpEntry.guest(0x41000, 1));
    assertThat(refusal(false, 0x41000, 0x42000, 0)).isEqualTo("the request is a private page");
  }

  // ---- guest requests

  @Test
  void guestRequestsTakeTwoSharedPages() {
    register();
    request(ExitCode.SNP_GUEST_REQUEST, 0x41000, 0x42000);
    assertThat(exit()).containsExactly(0L, 0x3_0000_0000L);
    for (long response : new long[] {0x41000, 0x42008, 0x4000_0000}) {
      request(ExitCode.SNP_GUEST_REQUEST, 0x41000, response);
      assertThat(exit()).containsExactly(2L, 5L);
    }
    rmp.update(0x42000, RmpEntry.guest(0x42000, 1));
    request(ExitCode.SNP_GUEST_REQUEST, 0x41000, 0x42000);
    assertThat(exit()).containsExactly(2L, 5L);
    request(ExitCode.SNP_EXTENDED_GUEST_REQUEST, 0x41000, 0x43000);
    assertThat(exit()).as("RAX and RBX are missing").containsExactly(2L, 4L);
    request(ExitCode.SNP_EXTENDED_GUEST_REQUEST, 0x41000, 0x43000);
    ghcb.set(GhcbField.RAX, 0x44008);
    ghcb.set(GhcbField.RBX, 1);
    assertThat(exit()).containsExactly(2L, 5L);
  }

  private List<Long> extended(long data, long pages) {
    request(ExitCode.SNP_EXTENDED_GUEST_REQUEST, 0x41000, 0x42000);
    ghcb.set(GhcbField.RAX, data);
    ghcb.set(GhcbField.RBX, pages);
    return exit();
  }

  /** The host sees a message's type and nothing else of it. */
  private void message(GuestMessageType type) {
    byte[] m = new GuestMessage(1, type.number(), 1, 0, new byte[16]).seal(new byte[32]);
    view.write(0x41000, m, 0, m.length);
  }

  private byte[] read(long gpa, int bytes) {
    byte[] b = new byte[bytes];
    view.read(gpa, b, 0, bytes);
    return b;
  }

  @Test
  void messagesGoToTheSecureProcessorAndBack() {
    register();
    byte[] response = new byte[4096];
    Arrays.fill(response, (byte) 0x77);
    List<byte[]> taken = new ArrayList<>();
    host.guestRequests(
        m -> {
          taken.add(m);
          return new GuestRequests.Answer(taken.size() == 1 ? 0 : 0x1D, "", response);
        });
    message(GuestMessageType.REPORT_REQ);
    request(ExitCode.SNP_GUEST_REQUEST, 0x41000, 0x42000);
    assertThat(exit()).containsExactly(0L, 0L);
    assertThat(taken.getFirst()).isEqualTo(read(0x41000, 4096));
    assertThat(read(0x42000, 4096)).isEqualTo(response);
    request(ExitCode.SNP_GUEST_REQUEST, 0x41000, 0x42000);
    assertThat(exit()).as("the firmware's status").containsExactly(0L, 0x1DL);
  }

  @Test
  void anExtendedRequestHasTheCertificatesOfWhoSigns() {
    register();
    int[] asked = {0};
    host.guestRequests(
        m -> {
          asked[0]++;
          return new GuestRequests.Answer(0, "", new byte[4096]);
        });
    message(GuestMessageType.REPORT_REQ);
    long before = host.now();
    extended(0x43000, 0);
    extended(0x43000, 0);
    assertThat(host.now() - before).as("they take time").isEqualTo(2 * MessageService.NANOS);
    asked[0] = 0;
    byte[] old = new byte[32];
    Arrays.fill(old, (byte) 9);
    view.write(0x43000, old, 0, old.length);
    assertThat(extended(0x43000, 0)).containsExactly(0L, 0L);
    assertThat(read(0x43000, 1)).containsExactly(9);
    assertThat(extended(0x43000, 1)).containsExactly(0L, 0L);
    assertThat(read(0x43000, 24)).as("an empty table").containsOnly(0);
    assertThat(read(0x43018, 1)).containsExactly(9);

    byte[] table = new byte[5000];
    Arrays.fill(table, (byte) 0x11);
    host.certificates(table);
    assertThat(extended(0x43000, 1)).as("too few pages").containsExactly(0L, 0x1_0000_0000L);
    assertThat(ghcb.get(GhcbField.RBX)).isEqualTo(2);
    assertThat(asked[0]).as("the firmware was not asked").isEqualTo(2);
    assertThat(extended(0x43000, 4)).containsExactly(0L, 0L);
    assertThat(read(0x43000, 5000)).isEqualTo(table);
    rmp.update(0x44000, RmpEntry.guest(0x44000, 1));
    assertThat(extended(0x43000, 4)).as("a page is private").containsExactly(2L, 5L);

    message(GuestMessageType.KEY_REQ);
    assertThat(extended(0x43000, 1)).as("no report").containsExactly(0L, 0L);
  }

  // ---- what is not KVM's

  @ParameterizedTest
  @ValueSource(ints = {0x14, 0x15, 0x16, 0x17, 0x18, 0x1A, 0x1B, 0x1C, 0x1D})
  void whatIsNotOfferedIsNoEvent(int event) {
    register();
    request(0x8000_0000 | event, 0, 0);
    ghcb.set(GhcbField.RAX, 0);
    assertThat(exit()).containsExactly(2L, 6L);
  }

  @Test
  void featuresAreWhatIsOffered() {
    launch(restricted());
    assertThat(msr(MsrRequest.HV_FEATURES_REQ)).isEqualTo(0x7081);
    launch(offering(HvFeatures.APIC_ID_LIST | HvFeatures.MULTI_VMPL));
    assertThat(msr(MsrRequest.HV_FEATURES_REQ)).isEqualTo(0x33081);
    register();
    request(ExitCode.HV_FEATURES, 0, 0);
    assertThat(exit()).containsExactly(0L, 0x33L);
  }

  @Test
  void theTimerByHvIsNotOffered() {
    launch(restricted());
    register();
    request(ExitCode.HV_TIMER, 0, 0);
    assertThat(exit()).containsExactly(2L, 6L);
  }

  /** A page that was taken from the host meanwhile is left alone, whatever it was to tell of. */
  @ParameterizedTest
  @CsvSource({HvDoorbell.SET + ", 0x43000", HvDoorbell.CLEAR + ", 0"})
  void aDoorbellPageThatIsPrivateByNowIsForgotten(int request, long page) {
    launch(restricted());
    register();
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.SET, 0x41000);
    assertThat(exit()).containsExactly(0L, 0x41000L);
    host.vcpus.getFirst().level().lightEoi = 0x50;
    rmp.update(0x41000, RmpEntry.guest(0x41000, 1));
    List<Event> told = new ArrayList<>();
    guest.trace(host, told::add);
    request(ExitCode.HV_DOORBELL_PAGE, request, page);
    assertThat(exit()).containsExactly(0L, page);
    assertThat(told).filteredOn(Event.HostAccess.class::isInstance).isEmpty();
    assertThat(host.vcpus.getFirst().level().lightEoi).isEqualTo(-1);
  }

  @Test
  void aDoorbellPageIsSetAskedForAndCleared() {
    launch(restricted());
    register();
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.GET_PREFERRED, 0);
    assertThat(exit()).as("no page is preferred").containsExactly(0L, -1L);
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.QUERY, 0);
    assertThat(exit()).as("there is none").containsExactly(0L, -1L);
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.SET, 0x41000);
    assertThat(exit()).containsExactly(0L, 0x41000L);
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.QUERY, 0);
    assertThat(exit()).containsExactly(0L, 0x41000L);
    rmp.update(0x42000, RmpEntry.guest(0x42000, 1));
    for (long page : new long[] {0x43008, 0x42000, 0x4000_0000, Long.MAX_VALUE - 0xFFF, -4096}) {
      request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.SET, page);
      assertThat(exit()).as("0x%x", page).containsExactly(2L, 5L);
    }
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.QUERY, 0);
    assertThat(exit()).as("it stays what it was").containsExactly(0L, 0x41000L);
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.CLEAR, 0);
    assertThat(exit()).containsExactly(0L, 0L);
    request(ExitCode.HV_DOORBELL_PAGE, HvDoorbell.QUERY, 0);
    assertThat(exit()).containsExactly(0L, -1L);
    for (long wrong : new long[] {4, -1, 0x1_0000_0001L}) {
      request(ExitCode.HV_DOORBELL_PAGE, wrong, 0x41000);
      assertThat(exit()).as("request %d", wrong).containsExactly(2L, 5L);
    }
  }

  @Test
  void aCommandWithReservedBitsSendsNothing() {
    launch(restricted());
    register();
    request(ExitCode.HV_IPI, 0x4_0050L | 1 << 20, 0);
    assertThat(exit()).containsExactly(2L, 5L);
    request(ExitCode.HV_IPI, 0x4_0050L, 0);
    assertThat(exit()).containsExactly(0L, 0L);
    // A vCPU without a local APIC has none to send with.
    guest = new OneVcpuHost(SevMode.SNP, restricted());
    view = guest.view;
    vcpu = guest.vcpu;
    host = start(false);
    register();
    request(ExitCode.HV_IPI, 0x4_0050L, 0);
    assertThat(exit()).containsExactly(2L, 5L);
  }

  @Test
  void theListOfApicIdsTakesSharedPages() {
    launch(offering(HvFeatures.APIC_ID_LIST));
    register();
    request(ExitCode.APIC_ID_LIST, 0, 0);
    assertThat(exit()).as("RAX is missing").containsExactly(2L, 4L);
    request(ExitCode.APIC_ID_LIST, 0, 0);
    ghcb.set(GhcbField.RAX, 0);
    assertThat(exit()).containsExactly(0L, 0L);
    assertThat(ghcb.get(GhcbField.RAX)).as("pages that it takes").isEqualTo(1);
    rmp.update(0x42000, RmpEntry.guest(0x42000, 1));
    long last = Long.MAX_VALUE & -0x1000;
    for (long page : new long[] {0x43008, 0x42000, 0x4000_0000, last, last + 8, -0x1000}) {
      request(ExitCode.APIC_ID_LIST, page, 0);
      ghcb.set(GhcbField.RAX, 1);
      assertThat(exit()).as("0x%x", page).containsExactly(2L, 5L);
    }
    view.write(0x43000, 8, -1);
    request(ExitCode.APIC_ID_LIST, 0x43000, 0);
    ghcb.set(GhcbField.RAX, 1);
    assertThat(exit()).containsExactly(0L, 0L);
    assertThat(view.read(0x43000, 8)).as("one, which is 0").isEqualTo(1);
    request(ExitCode.APIC_ID_LIST, 0x44008, 0);
    ghcb.set(GhcbField.RAX, -1);
    assertThat(exit()).as("any number of pages").containsExactly(2L, 5L);
  }

  @Test
  void aVmplNeedsASaveArea() {
    launch(offering(HvFeatures.MULTI_VMPL));
    register();
    vcpu.vmcb().set(Vmcb.GUEST_SEV_FEATURES, 1);
    long own = vcpu.vmcb().get(Vmcb.VMSA_PTR);
    for (long level : new long[] {1, 2, 3, 4, -1, 0x1_0000_0000L}) {
      request(ExitCode.SNP_RUN_VMPL, level, 0);
      assertThat(exit()).as("VMPL%d", level).containsExactly(2L, 5L);
    }
    assertThat(msr(MsrRequest.runVmpl(2))).isEqualTo(0x1_0000_0017L);
    assertThat(msr(MsrRequest.runVmpl(0))).as("the one that runs").isEqualTo(0x17);
    request(ExitCode.SNP_AP_CREATION, 0x2_0000, 0x45000);
    ghcb.set(GhcbField.RAX, 1);
    assertThat(exit()).containsExactly(0L, 0L);
    request(ExitCode.SNP_AP_CREATION, 0x4_0000, 0x45000);
    ghcb.set(GhcbField.RAX, 1);
    assertThat(exit()).as("there are four").containsExactly(2L, 5L);
    assertThat(vcpu.vmcb().get(Vmcb.VMSA_PTR)).isEqualTo(own);
    assertThat(msr(MsrRequest.runVmpl(2))).isEqualTo(0x17);
    assertThat(vcpu.vmcb().get(Vmcb.VMSA_PTR)).as("who asks is answered").isEqualTo(own);
    Vmpls.entering(host.vcpus.getFirst());
    assertThat(vcpu.vmcb().get(Vmcb.VMSA_PTR)).isEqualTo(0x45000);
    assertThat(vcpu.vmcb().get(Vmcb.GHCB_GPA)).as("a GHCB of its own").isNotEqualTo(0x17);
    request(ExitCode.HV_FEATURES, 0, 0);
    assertThat(exit()).as("not registered by this level").containsExactly(2L, 1L);
    register();
    assertThat(msr(MsrRequest.runVmpl(0))).isEqualTo(0x17);
    Vmpls.entering(host.vcpus.getFirst());
    assertThat(vcpu.vmcb().get(Vmcb.VMSA_PTR)).isEqualTo(own);
    assertThat(vcpu.vmcb().get(Vmcb.GHCB_GPA)).as("as level 0 left it").isEqualTo(0x17);
    request(ExitCode.SNP_AP_CREATION, 0x2_0002, 0);
    assertThat(exit()).containsExactly(0L, 0L);
    assertThat(host.vcpus.getFirst().state).isEqualTo(HostVcpu.State.RUNNABLE);
    assertThat(msr(MsrRequest.runVmpl(2))).as("taken away").isEqualTo(0x1_0000_0017L);
  }

  private void create(long info1, long area) {
    request(ExitCode.SNP_AP_CREATION, info1, area);
    ghcb.set(GhcbField.RAX, 1);
    assertThat(exit()).containsExactly(0L, 0L);
  }

  @Test
  void aLevelThatIsTakenAwayBeforeItRunsStopsTheVcpu() {
    launch(offering(HvFeatures.MULTI_VMPL));
    register();
    vcpu.vmcb().set(Vmcb.GUEST_SEV_FEATURES, 1);
    HostVcpu v = host.vcpus.getFirst();
    create(0x2_0000, 0x45000);
    assertThat(msr(MsrRequest.runVmpl(2))).isEqualTo(0x17);
    create(0x2_0002, 0);
    assertThat(v.state).isEqualTo(HostVcpu.State.DESTROYED);
    create(0x2_0001, 0x46000);
    assertThat(v.state).isEqualTo(HostVcpu.State.RUNNABLE);
    Vmpls.entering(v);
    assertThat(vcpu.vmcb().get(Vmcb.VMSA_PTR)).isEqualTo(0x46000);
  }

  /** INIT has a processor begin again at level 0, whatever level it runs. */
  @Test
  void initIsForTheLevelThatItsSaveAreaIsFor() {
    launch(offering(HvFeatures.MULTI_VMPL));
    register();
    vcpu.vmcb().set(Vmcb.GUEST_SEV_FEATURES, 1);
    HostVcpu v = host.vcpus.getFirst();
    create(0x2_0000, 0x45000);
    assertThat(msr(MsrRequest.runVmpl(2))).isEqualTo(0x17);
    Vmpls.entering(v);
    register();
    create(0, 0x47000);
    assertThat(v.saveAreaAtInit).isEqualTo(0x47000);
    assertThat(v.vmplAtInit).isZero();
    assertThat(vcpu.vmcb().get(Vmcb.VMSA_PTR)).as("as it was").isEqualTo(0x45000);
    create(0x2_0000, 0x48000);
    assertThat(v.vmplAtInit).as("the level that runs").isEqualTo(2);
  }
}
