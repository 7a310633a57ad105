package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Queue;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The unmodified kernel of Debian 12 with a busybox initramfs. */
@Tag("slow")
final class LinuxBootTest {
  private static final String SECRET = "vesper-secret-6f1d0c27a9b34e58";
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t devtmpfs dev /dev
      /bin/busybox --install -s /bin
      export PATH=/bin
      SECRET=%s
      echo MARK-INIT $(uname -r | cut -c1-3)
      i=0; while [ $i -lt 50 ]; do i=$((i+1)); done; echo LOOP $i
      echo SUM $(seq 1 100 | awk '{s+=$1} END {print s}')
      if grep -q interactive /proc/cmdline; then
        echo READY
        while read line; do
          [ "$line" = quit ] && break
          echo "ANSWER: $(eval "$line")"
        done
      fi
      echo MARK-DONE
      # vmd's serial port takes its time, and what it has not sent by then is lost.
      sleep 1
      poweroff -f
      """
          .formatted(SECRET);

  private static final long MOST = 3_000_000_000L;
  private static final Outcome POWERED_OFF = new Outcome(0, "guest powered off");

  private static MachineSpec.Builder options(SevMode mode, String extra) {
    return MachineSpec.builder(mode, DebianKernel.image(), b -> {})
        .append("console=ttyS0 cryptomgr.notests=1 " + extra)
        .initrd(DebianKernel.initramfs(INIT));
  }

  private static TestMachine run(MachineSpec.Builder o) throws BootException {
    TestMachine m = TestMachine.of(o);
    assertThat(m.run(MOST)).isEqualTo(POWERED_OFF);
    return m;
  }

  @ParameterizedTest
  @CsvSource({"OFF, false", "SEV, true", "ES, false", "ES, true"})
  void bootsToInitAndPowersOff(SevMode mode, boolean entry32) throws BootException {
    MachineSpec.Builder o = options(mode, mode.encryptsState() ? "" : "quiet");
    TestMachine m = run(entry32 ? o.entry32() : o);
    String text = m.console();
    assertThat(text)
        .contains("MARK-INIT 6.1")
        .contains("LOOP 50")
        .contains("SUM 5050")
        .contains("MARK-DONE");
    if (mode.encryptsState()) {
      assertThat(text).contains("Memory Encryption Features active: AMD SEV SEV-ES");
      assertThat(text).doesNotContain("cut here");
      assertNothingLeaks(m.machine());
    }
  }

  private static void assertNothingLeaks(Machine m) {
    HostMemory host = m.hostView();
    byte[] all = new byte[1 << 20];
    byte[] plain = new byte[1 << 20];
    boolean bannerInPlaintext = false;
    boolean secretInPlaintext = false;
    for (long a = 0; a < host.guestBytes(); a += all.length) {
      host.read(a, all, 0, all.length);
      String seen = new String(all, StandardCharsets.ISO_8859_1);
      assertThat(seen.contains("Linux version 6.1"))
          .as("banner at 0x%x in the host's view", a)
          .isFalse();
      assertThat(seen.contains(SECRET)).as("secret at 0x%x in the host's view", a).isFalse();
      plain = m.observer().readPrivate(a, plain.length);
      String inside = new String(plain, StandardCharsets.ISO_8859_1);
      bannerInPlaintext |= inside.contains("Linux version 6.1");
      secretInPlaintext |= inside.contains(SECRET);
    }
    // The strings are there for the guest, so their absence above means something.
    assertThat(bannerInPlaintext).isTrue();
    assertThat(secretInPlaintext).isTrue();
    byte[] vmsa = new byte[4096];
    host.read(m.vmsaAddress(), vmsa, 0, vmsa.length);
    byte[] inside = m.observer().readPrivate(m.vmsaAddress(), 4096);
    assertThat(inside[0xD1] & 0x10).as("EFER.SVME in the plaintext VMSA").isEqualTo(0x10);
    int same = 0;
    for (int i = 0; i < 4096; i++) {
      same += vmsa[i] == inside[i] ? 1 : 0;
    }
    assertThat(same).as("bytes of the VMSA page that the host sees as they are").isLessThan(100);
  }

  @Test
  void interactiveInputIsAnsweredUnderEs() throws BootException {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    Deque<String> script = new ArrayDeque<>();
    script.add("echo $((6*7))\n");
    script.add("quit\n");
    Queue<Integer> keys = new ArrayDeque<>();
    ConsoleInput input =
        new ConsoleInput() {
          @Override
          public int poll() {
            String text = console.toString(StandardCharsets.ISO_8859_1);
            boolean ready =
                script.size() == 2 ? text.contains("READY") : text.contains("ANSWER: 42");
            if (keys.isEmpty() && !script.isEmpty() && ready) {
              script.remove().chars().forEach(keys::add);
            }
            Integer k = keys.poll();
            return k == null ? -1 : k;
          }

          @Override
          public boolean closed() {
            return script.isEmpty() && keys.isEmpty();
          }

          @Override
          public void await(long nanos) {
            // Nothing to wait for: the script answers at once.
          }
        };
    Machine m =
        new Machine(options(SevMode.ES, "quiet interactive").console(console).input(input).build());
    m.limit(MOST, Long.MAX_VALUE);
    assertThat(m.run()).isEqualTo(POWERED_OFF);
    assertThat(console.toString(StandardCharsets.ISO_8859_1))
        .contains("ANSWER: 42")
        .contains("MARK-DONE");
  }

  /** vmm(4) knows no SEV information request; without SEV the same kernel boots there. */
  @Test
  void underVmmLinuxEndsAtTheRequestThatIsNotServed() throws BootException {
    Outcome o = TestMachine.of(options(SevMode.ES, "quiet").profile("openbsd")).run(2_000_000_000L);
    assertThat(o.status()).isEqualTo(Outcome.GAVE_UP);
    assertThat(o.reason())
        .isEqualTo(
            "vmm(4) answers EINVAL and vmd(8) ends the VM: it does not serve the GHCB"
                + " MSR-protocol request SEV_INFO_REQ (0x2)");
    TestMachine off = TestMachine.of(options(SevMode.OFF, "quiet").profile("openbsd"));
    // vmd has no ACPI to power off by.
    assertThat(off.run(MOST)).isEqualTo(new Outcome(0, "guest halted with interrupts disabled"));
    assertThat(off.machine().format()).startsWith("bzImage");
    assertThat(off.console()).contains("MARK-DONE");
  }

  @Test
  void twoRunsAreIdentical() throws BootException {
    TestMachine a = run(options(SevMode.ES, "quiet"));
    TestMachine b = run(options(SevMode.ES, "quiet"));
    assertThat(b.machine().stateHash()).isEqualTo(a.machine().stateHash());
    assertThat(b.console()).isEqualTo(a.console());
  }

  /**
   * The initrd holds one static 32-bit program, which writes a line and ends: {@code write(1, "UT32
   * alive")} and {@code exit} by INT 80h, made for this project.
   */
  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"OFF", "ES"})
  void a32BitProgramRuns(SevMode mode) throws Exception {
    byte[] initrd;
    try (InputStream in = LinuxBootTest.class.getResourceAsStream("init32.gz")) {
      assertThat(in).isNotNull();
      initrd = in.readAllBytes();
    }
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(mode, DebianKernel.image(), b -> {})
                .append("console=ttyS0 cryptomgr.notests=1 panic=-1")
                .initrd(initrd));
    m.run(MOST);
    assertThat(m.console()).contains("UT32 alive");
  }
}
