package dev.vesper.ghcb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** What SEV-SNP adds to the GHCB standard (spec: snp 3), by its encodings. */
final class SnpEventsTest {
  @Test
  void requestsOfTheMsrProtocol() {
    assertThat(MsrRequest.pageState(0x809, PageStateEntry.SHARED))
        .isEqualTo(0x0020_0000_0080_9014L);
    long p = MsrRequest.pageState(0xFF_FFFF_FFFFL, PageStateEntry.PRIVATE);
    assertThat(p).isEqualTo(0x001F_FFFF_FFFF_F014L);
    assertThat(MsrRequest.pageStateGfn(p)).isEqualTo(0xFF_FFFF_FFFFL);
    assertThat(MsrRequest.pageStateOperation(p)).isEqualTo(PageStateEntry.PRIVATE);
    assertThat(MsrRequest.result(MsrRequest.SNP_PAGE_STATE_RESP, 0x8000_0000))
        .isEqualTo(0x8000_0000_0000_0015L);
    assertThat(MsrRequest.runVmpl(2)).isEqualTo(0x2_0000_0016L);
    assertThat(MsrRequest.features(3)).isEqualTo(0x3081);
  }

  @Test
  void requestsInWords() {
    assertThat(MsrRequest.explain(0x0020_0000_0080_9014L))
        .isEqualTo("SNP_PAGE_STATE_REQ 0x809000 shared");
    assertThat(MsrRequest.explain(0x0070_0000_0080_9014L))
        .isEqualTo("SNP_PAGE_STATE_REQ 0x809000 operation 7");
    assertThat(MsrRequest.explain(0x15)).isEqualTo("SNP_PAGE_STATE_RESP ok");
    assertThat(MsrRequest.explain(0x8000_0000_0000_0015L))
        .isEqualTo("SNP_PAGE_STATE_RESP error 0x80000000");
    assertThat(MsrRequest.explain(MsrRequest.runVmpl(2))).isEqualTo("RUN_VMPL_REQ 2");
    assertThat(MsrRequest.explain(0x17)).isEqualTo("RUN_VMPL_RESP ok");
    assertThat(MsrRequest.explain(0x3081)).isEqualTo("HV_FEATURES_RESP 0x3 (SNP AP_CREATION)");
    assertThat(MsrRequest.explain(0x81)).isEqualTo("HV_FEATURES_RESP 0x0");
    assertThat(MsrRequest.name(0x3081)).isEqualTo("HV_FEATURES_RESP");
  }

  @Test
  void entriesOfPageStateChanges() {
    PageStateEntry small = PageStateEntry.of(0x809, PageStateEntry.SHARED, false);
    PageStateEntry large = PageStateEntry.of(0x10_0200, PageStateEntry.PRIVATE, true);
    assertThat(small.raw()).isEqualTo(0x0020_0000_0080_9000L);
    assertThat(large.raw()).isEqualTo(0x0110_0001_0020_0000L);
    assertThat(small.pages()).isEqualTo(1);
    assertThat(large.pages()).isEqualTo(512);
    assertThat(large.withDone(17).done()).isEqualTo(17);
    assertThat(large.withDone(17).withDone(0)).isEqualTo(large);
    assertThat(large.withDone(512).wellFormed()).isTrue();
    assertThat(large.withDone(513).wellFormed()).isFalse();
    assertThat(small.withDone(1).wellFormed()).isTrue();
    assertThat(small.withDone(2).wellFormed()).isFalse();
    assertThat(PageStateEntry.of(0x201, PageStateEntry.PRIVATE, true).wellFormed()).isFalse();
    assertThat(small).hasToString("0x809000 shared");
    assertThat(large.withDone(3)).hasToString("0x100200000 2M private, 3 done");
  }

  @Test
  void listsOfPageStateChanges() {
    byte[] page = new byte[GhcbPage.SIZE];
    PageStateList l = new PageStateList(page, GhcbPage.SHARED_BUFFER);
    List<PageStateEntry> most =
        Collections.nCopies(253, PageStateEntry.of(0x809, PageStateEntry.SHARED, false));
    l.set(most);
    assertThat(PageStateList.MOST).isEqualTo(253);
    assertThat(page[0x802] & 0xFF).isEqualTo(252);
    assertThat(l.entry(252)).isEqualTo(most.getFirst());
    assertThat(page[GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE]).isZero();
    l.setCurrent(253);
    assertThat(l.current()).isEqualTo(253);
    assertThat(l.end()).isEqualTo(252);
    assertThat(l.reserved()).isZero();
    page[0x807] = 1;
    assertThat(l.reserved()).isEqualTo(0x0100_0000);
    assertThat(l).hasToString("entries 253 to 252");
    assertThatThrownBy(() -> l.set(List.of())).hasMessageContaining("1 to 253");
    assertThat(PageStateList.explain(0)).isEmpty();
    assertThat(PageStateList.explain(0x1_0000_0001L)).contains("header");
    assertThat(PageStateList.explain(0x1_0000_0002L)).contains("entry");
    assertThat(PageStateList.explain(0x100_0000_0000L)).contains("host failed");
    assertThat(PageStateList.explain(5)).isEqualTo("unknown error 0x5");
  }

  @Test
  void apCreation() {
    ApCreation a = ApCreation.of(0x0000_0003_0002_0001L);
    assertThat(a).isEqualTo(new ApCreation(ApCreation.CREATE, 2, 3));
    assertThat(a.encode()).isEqualTo(0x0000_0003_0002_0001L);
    assertThat(a).hasToString("create APIC 3 VMPL2");
    assertThat(new ApCreation(0, 0, 1)).hasToString("create on INIT APIC 1");
    assertThat(new ApCreation(2, 0, 1)).hasToString("destroy APIC 1");
    assertThat(new ApCreation(5, 0, 1)).hasToString("request 5 APIC 1");
    NaeEvent e = NaeEvent.SNP_AP_CREATION;
    assertThat(e.required(f -> ApCreation.CREATE)).containsExactly(GhcbField.RAX);
    assertThat(e.required(f -> ApCreation.DESTROY)).isEmpty();
    assertThat(e.allowed(f -> ApCreation.DESTROY)).contains(GhcbField.RAX);
  }

  @Test
  void resultsOfGuestRequests() {
    assertThat(GuestRequestResult.of(0x2_0000_0000L)).hasToString("hypervisor: busy");
    assertThat(GuestRequestResult.of(0x16)).hasToString("firmware status 0x16");
    assertThat(GuestRequestResult.of(0)).hasToString("ok");
    assertThat(new GuestRequestResult(0, GuestRequestResult.INVALID_LENGTH).encode())
        .isEqualTo(0x1_0000_0000L);
    assertThat(new GuestRequestResult(-1, 0).encode()).isEqualTo(0xFFFF_FFFFL);
  }

  @Test
  void featuresByName() {
    assertThat(HvFeatures.named("apic-id-list")).isEqualTo(HvFeatures.APIC_ID_LIST);
    assertThat(HvFeatures.named("MULTI_VMPL")).isEqualTo(0x20);
    assertThat(HvFeatures.named("multivmpl")).isZero();
    assertThat(HvFeatures.named("")).isZero();
  }

  @Test
  void requestsOfTheDoorbellPage() {
    assertThat(HvDoorbell.request(HvDoorbell.GET_PREFERRED)).isEqualTo("get preferred");
    assertThat(HvDoorbell.request(HvDoorbell.SET)).isEqualTo("set");
    assertThat(HvDoorbell.request(HvDoorbell.QUERY)).isEqualTo("query");
    assertThat(HvDoorbell.request(HvDoorbell.CLEAR)).isEqualTo("clear");
    assertThat(HvDoorbell.request(4)).isEqualTo("request 4");
    assertThat(HvDoorbell.request(1L << 32)).isEqualTo("request 4294967296");
  }

  /** Events that no hypervisor here serves have names all the same. */
  @Test
  void laterEventsHaveNames() {
    for (int code : new int[] {0x8000_001A, 0x8000_001B, 0x8000_001C, 0x8000_001D, -3}) {
      assertThat(ExitCode.name(code)).startsWith("SVM_VM");
      assertThat(ExitCode.of(ExitCode.name(code))).hasValue(code);
    }
  }

  @Test
  void everyEventHasItsCodeAndName() {
    int[] codes = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
    for (int c : codes) {
      NaeEvent e = Objects.requireNonNull(NaeEvent.of(0x8000_0000 | c));
      assertThat(ExitCode.of(ExitCode.name(e.code))).hasValue(e.code);
      assertThat(e.version).isEqualTo(2);
    }
  }
}
