package dev.vesper.machine.observe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.fuzz.Bounded;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.observe.format.PcapngWriter;
import dev.vesper.machine.observe.format.PerfettoWriter;
import dev.vesper.machine.observe.format.TraceWriter;
import java.io.OutputStream;
import java.io.Reader;
import java.util.List;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Traces take time by their length, whatever they say. */
@Tag("slow")
@Timeout(300)
final class LongTracesTest {
  private static String record(String kind, int vcpu, String name, String more) {
    return "{\"schema\":\"vesper.trace/2\",\"kind\":\""
        + kind
        + "\",\"time_ns\":1,\"instructions\":1,\"vcpu\":"
        + vcpu
        + ",\"bits\":64,\"cpl\":0,\"rip\":\"0x1000\",\"symbol\":\"f\",\"source\":\"\","
        + "\"instruction\":\"x\",\"name\":\""
        + name
        + "\""
        + more
        + "}\n";
  }

  /** Lines that are made while they are read. */
  private static Reader lines(int count, IntFunction<String> line) {
    return new Reader() {
      private String now = "";
      private int at;
      private int next;

      @Override
      public int read(char[] to, int offset, int length) {
        if (at == now.length()) {
          if (next == count) {
            return -1;
          }
          now = line.apply(next++);
          at = 0;
        }
        int n = Math.min(length, now.length() - at);
        now.getChars(at, at + n, to, offset);
        at += n;
        return n;
      }

      @Override
      public void close() {
        // nothing is open
      }
    };
  }

  private static void judged(int seconds, Reader trace) throws Exception {
    Bounded.within(
        seconds,
        8192,
        () -> {
          Checker c = new Checker();
          try (TraceWriter p = new PerfettoWriter(OutputStream.nullOutputStream());
              TraceWriter w = new PcapngWriter(OutputStream.nullOutputStream())) {
            JsonLinesReader.read(
                trace,
                e -> {
                  c.accept(e);
                  p.accept(e);
                  w.accept(e);
                });
          }
          assertThat(c.size()).isLessThanOrEqualTo(10_000);
        });
  }

  private static String vc(int i, String kind) {
    return record(
        kind,
        0,
        "SVM_VMEXIT_CPUID",
        ",\"error_code\":\"0x72\",\"vc\":\"0x" + Integer.toHexString(i) + "\"");
  }

  @Test
  void vcsThatNeverReturnAreNotLookedThroughEachTime() throws Exception {
    int n = 60_000;
    judged(20, lines(2 * n, i -> i < n ? vc(i + 1, "vc") : vc(i + n, "vc_return")));
  }

  @Test
  void vcsThatReturnOutermostFirst() throws Exception {
    int n = 60_000;
    judged(20, lines(2 * n, i -> i < n ? vc(i + 1, "vc") : vc(i - n + 1, "vc_return")));
    judged(20, lines(2 * n, i -> vc(7, i % 2 == 0 ? "vc" : "vc_return")));
    judged(20, lines(2 * n, i -> vc(7, i < n ? "vc" : "vc_return")));
  }

  @Test
  void manyProcessorsThatEndManyTimes() throws Exception {
    int n = 60_000;
    judged(
        20,
        lines(
            2 * n,
            i ->
                i < n
                    ? record("msr_protocol", i, "x", ",\"request_msr\":\"0x4\"")
                    : record("end", i - n, "status 0", ",\"status\":\"0\"")));
  }

  /** The host may write its whole answer, and a trace may say so a thousand times a record. */
  @Test
  void bytesThatAreNamedAgainAndAgain() throws Exception {
    String more =
        ",\"ghcb\":\"0x1000\",\"page_state\":\"shared\",\"request\":\"SW_EXITCODE=0x80000001\""
            + ",\"changed\":\""
            + "800-fef ".repeat(4_000)
            + "800-fef\"";
    judged(30, lines(2_000, i -> record("ghcb", 0, "SVM_VMGEXIT_MMIO_READ", more)));
  }

  @Test
  void lineAfterLineOfOneLongRecord() throws Exception {
    for (String more :
        List.of(
            ",\"accesses\":\"" + "r3a0:8=0@1 ".repeat(400_000) + "r3a0:8=0@1\"",
            ",\"request\":\"" + "RAX=0x1 ".repeat(1_000_000) + "RAX=0x1\"",
            ",\"memory\":\"" + "0f".repeat(4_000_000) + "\"",
            ",\"changed\":\"" + "3a0-3a7 ".repeat(4_000) + "3a0-3a7\"")) {
      judged(20, lines(3, i -> record(i == 0 ? "vc" : "ghcb", 0, "SVM_VMEXIT_CPUID", more)));
    }
  }
}
