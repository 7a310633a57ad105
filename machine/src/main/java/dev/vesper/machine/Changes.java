package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.assembly.LaunchSequence;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.sev.GuestRegisters;
import dev.vesper.machine.vmm.Panel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What somebody outside changes of a machine that stands still. A change is bytes, so that a
 * recording has it before the machine does, and a replay makes it again where it was made.
 *
 * <p>Its first byte is a kind, then there are numbers, little-endian: of registers and linear
 * memory the vCPU, 2 bytes, first.
 */
final class Changes {
  /** Number, 1 byte; value, 8. */
  private static final byte GPR = 1;

  /** Value, 8. */
  private static final byte RIP = 2;

  /** Value, 8. */
  private static final byte RFLAGS = 3;

  /** Number, 1; value, 8. */
  private static final byte OPMASK = 4;

  /** Number, 1; eight words, 8 each. */
  private static final byte ZMM = 5;

  /** Linear address, 8; bytes. */
  private static final byte MEMORY = 6;

  /** Port, 2; how many bytes, 1. */
  private static final byte PORT_READ = 16;

  /** Port, 2; how many bytes, 1; value, 4. */
  private static final byte PORT_WRITE = 17;

  private static final byte POWER_BUTTON = 18;

  /** A vCPU, 2. */
  private static final byte NMI = 19;

  private static final byte RESET = 20;

  /** Guest physical address, 8; header of the packet; the secret. */
  private static final byte SECRET = 21;

  /** Bytes of memory in one change. */
  private static final int PIECE = 1 << 16;

  private static final int MOST_BYTES_OF_NUMBERS = 80;

  /** CF, PF, AF, ZF, SF and OF. */
  private static final int STATUS = 0x8D5;

  private final Assembly parts;
  private final Supplier<LaunchSequence> launch;
  private final Supplier<Observer> observer;

  /**
   * @param launch is asked once there is one, as the observer is
   */
  Changes(Assembly parts, Supplier<LaunchSequence> launch, Supplier<Observer> observer) {
    this.parts = parts;
    this.launch = launch;
    this.observer = observer;
  }

  private InputLog log() {
    return parts.host.inputs().log();
  }

  /** {@return why the machine cannot be changed where it is, or null if it can} */
  @Nullable String lack() {
    if (!log().isFixed()) {
      return null;
    }
    if (!log().isRecorded()) {
      return "a replay is what its recording has, and is not changed";
    }
    if (parts.host.outcome() != null) {
      return "a run that is recorded is not changed behind its end";
    }
    // Counts, by which a replay knows the place, say nothing of how far such an instruction is.
    return RunEnds.standsInString(observer.get(), parts.host.loop().isInside())
        ? "a run that is recorded is not changed at a repeated instruction: step behind it"
        : null;
  }

  // ---- to make

  private static ByteBuffer begin(byte kind) {
    return ByteBuffer.allocate(MOST_BYTES_OF_NUMBERS).order(ByteOrder.LITTLE_ENDIAN).put(kind);
  }

  private static ByteBuffer begin(byte kind, int vcpu) {
    return begin(kind).putShort((short) vcpu);
  }

  private int make(ByteBuffer b) {
    return make(Arrays.copyOf(b.array(), b.position()));
  }

  private int make(byte[] what) {
    String lack = lack();
    if (lack != null) {
      throw new IllegalStateException(lack);
    }
    log().change(parts.host.loop().isInside(), parts.host.registers(), what);
    return apply(ByteBuffer.wrap(what).order(ByteOrder.LITTLE_ENDIAN));
  }

  void gpr(int vcpu, int number, long value) {
    make(begin(GPR, vcpu).put((byte) number).putLong(value));
  }

  void rip(int vcpu, long value) {
    make(begin(RIP, vcpu).putLong(value));
  }

  void rflags(int vcpu, long value) {
    make(begin(RFLAGS, vcpu).putLong(value));
  }

  void opmask(int vcpu, int number, long value) {
    make(begin(OPMASK, vcpu).put((byte) number).putLong(value));
  }

  void zmm(int vcpu, int number, long[] words) {
    ByteBuffer b = begin(ZMM, vcpu).put((byte) number);
    for (int i = 0; i < 8; i++) {
      b.putLong(words[i]);
    }
    make(b);
  }

  /** Bytes that can be written, as has been looked at. */
  void memory(int vcpu, long linear, byte[] bytes) {
    for (int done = 0; done < bytes.length; done += PIECE) {
      int n = Math.min(PIECE, bytes.length - done);
      make(with(begin(MEMORY, vcpu).putLong(linear + done), bytes, done, n));
    }
  }

  private static byte[] with(ByteBuffer head, byte[] bytes, int from, int n) {
    byte[] b = Arrays.copyOf(head.array(), head.position() + n);
    System.arraycopy(bytes, from, b, head.position(), n);
    return b;
  }

  int readPort(int port, int bytes) {
    return make(begin(PORT_READ).putShort((short) port).put((byte) bytes));
  }

  void writePort(int port, int bytes, int value) {
    make(begin(PORT_WRITE).putShort((short) port).put((byte) bytes).putInt(value));
  }

  boolean pressPowerButton() {
    return make(begin(POWER_BUTTON)) != 0;
  }

  void nmi(int vcpu) {
    make(begin(NMI, vcpu));
  }

  void reset() {
    make(begin(RESET));
  }

  void secret(LaunchSecret s, long address) {
    if (s.header().length != LaunchSecret.HEADER_BYTES
        || s.payload().length > LaunchSecret.MAX_BYTES) {
      // What is refused changes nothing, and is in no recording.
      launch.get().inject(s, address);
      return;
    }
    byte[] header = with(begin(SECRET).putLong(address), s.header(), 0, s.header().length);
    byte[] all = Arrays.copyOf(header, header.length + s.payload().length);
    System.arraycopy(s.payload(), 0, all, header.length, s.payload().length);
    make(all);
  }

  // ---- to have

  /** Makes the change that a recording has here. */
  void again() {
    byte[] what = log().takeChange(parts.host.registers());
    if (what == null) {
      return;
    }
    ByteBuffer b = ByteBuffer.wrap(what).order(ByteOrder.LITTLE_ENDIAN);
    try {
      apply(b);
    } catch (CommandFailed e) {
      // So it was in the recorded run.
      return;
    } catch (RuntimeException e) {
      // A stranger's file may ask for anything: of launches that there are not, for example.
      log().differs("the recording has a change that cannot be made here");
    }
  }

  /** {@return what is read, if anything is} */
  private int apply(ByteBuffer b) {
    byte kind = b.get();
    Panel panel = parts.host.panel();
    switch (kind) {
      case PORT_READ -> {
        return panel.readPort(b.getShort() & 0xFFFF, width(b.get()));
      }
      case PORT_WRITE -> panel.writePort(b.getShort() & 0xFFFF, width(b.get()), b.getInt());
      case POWER_BUTTON -> {
        return panel.pressPowerButton() ? 1 : 0;
      }
      case NMI -> panel.nmi(vcpu(b));
      case RESET -> panel.reset();
      case SECRET -> {
        long address = b.getLong();
        byte[] header = new byte[LaunchSecret.HEADER_BYTES];
        b.get(header);
        launch.get().inject(new LaunchSecret(header, rest(b)), address);
      }
      default -> registers(kind, vcpu(b), b);
    }
    return 0;
  }

  private int vcpu(ByteBuffer b) {
    return Objects.checkIndex(b.getShort(), parts.vcpus.size());
  }

  private static int width(int bytes) {
    if (bytes != 1 && bytes != 2 && bytes != 4) {
      throw new IllegalArgumentException("ports have 1, 2 or 4 bytes, not " + bytes);
    }
    return bytes;
  }

  private static byte[] rest(ByteBuffer b) {
    byte[] all = new byte[b.remaining()];
    b.get(all);
    return all;
  }

  private void registers(byte kind, int vcpu, ByteBuffer b) {
    switch (kind) {
      case GPR -> setGpr(vcpu, b.get(), b.getLong());
      case RIP -> setRip(vcpu, b.getLong());
      case RFLAGS -> {
        long value = b.getLong();
        int mask = STATUS | CpuState.DF | CpuState.TF;
        change(vcpu, c -> c.setFlags(c.flags() & ~mask | (int) value & mask));
      }
      case OPMASK -> {
        int number = Objects.checkIndex(b.get(), 8);
        long value = b.getLong();
        change(vcpu, c -> c.k[number] = value);
      }
      case ZMM -> {
        int number = Objects.checkIndex(b.get(), 32);
        long[] words = new long[8];
        for (int i = 0; i < words.length; i++) {
          words[i] = b.getLong();
        }
        change(vcpu, c -> setZmm(c, number, words));
      }
      case MEMORY -> {
        long linear = b.getLong();
        byte[] bytes = rest(b);
        change(vcpu, c -> VcpuView.poke(parts, c, linear, bytes));
      }
      default -> throw new IllegalArgumentException("there is no change of kind " + kind);
    }
  }

  private void change(int vcpu, Consumer<Cpu> how) {
    GuestRegisters.change(parts.vcpus.get(vcpu), how);
  }

  /** Sets a general register, whoever wants it and whatever is recorded. */
  void setGpr(int vcpu, int number, long value) {
    Objects.checkIndex(number, Registers.COUNT);
    change(vcpu, c -> c.r[number] = value);
  }

  /** The same of RIP, of which code that is not 64-bit has 32 bits. */
  void setRip(int vcpu, long value) {
    change(vcpu, c -> c.rip = c.codeBits() == 64 ? value : value & 0xFFFF_FFFFL);
  }

  private static void setZmm(Cpu c, int number, long[] words) {
    if (number >= 16) {
      System.arraycopy(words, 0, c.zmm16, 8 * (number - 16), 8);
      return;
    }
    System.arraycopy(words, 0, c.xmm, 2 * number, 2);
    System.arraycopy(words, 2, c.ymmh, 2 * number, 2);
    System.arraycopy(words, 4, c.zmmh, 4 * number, 4);
  }
}
