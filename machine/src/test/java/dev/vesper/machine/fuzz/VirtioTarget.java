package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.device.virtio.LegacyVirtioPci;
import dev.vesper.machine.device.virtio.VirtioBlock;
import dev.vesper.machine.device.virtio.VirtioConsole;
import dev.vesper.machine.device.virtio.VirtioDevice;
import dev.vesper.machine.device.virtio.VirtioEntropy;
import dev.vesper.machine.device.virtio.VirtioFs;
import dev.vesper.machine.device.virtio.VirtioNet;
import dev.vesper.machine.device.virtio.VirtioPci;
import dev.vesper.machine.device.virtio.VirtioVmmci;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A virtio device that a driver has set up, and then a list of what a guest does: it writes memory
 * and registers, makes descriptors, and notifies. Queue N has its parts, of 8 entries, from 1000h +
 * 3000h * N on, a page each; buffers are usually from 20000h on.
 */
public abstract sealed class VirtioTarget implements FuzzTarget {
  private static final int RAM = 1 << 20;
  private static final int USED_BY_TARGETS = 0x4_0000;
  private static final int QUEUE = 0x3000;
  private static final int ENTRIES = 8;
  private static final int FIRST_QUEUE = 0x1000;
  private static final int BUFFERS = 0x2_0000;
  private static final int OLD_ENTRIES = 128;
  private static final long BAR = 0xC000_0000L;
  private static final int PORTS = 0xC000;
  private static final int STATUS = 0x14;

  /** Where a device's own registers are. */
  private static final int CONFIGURATION = 0x2000;

  private static final int OLD_CONFIGURATION = 0x14;
  private static final long SECOND = 1_000_000_000L;
  private static final String DEVICES = "dev.vesper.machine.device.virtio.";

  /** What a guest does; in seeds and in inputs. */
  static final int MEMORY = 0;

  static final int WRITE = 1;
  static final int READ = 2;
  static final int DESCRIBE = 3;
  static final int OFFER = 4;
  static final int CONFIG = 5;
  static final int POLL = 6;
  private static final int KINDS = 7;

  private static final int NEXT = 1;
  private static final int DEVICE_WRITES = 2;

  /** A disk with a program's own sectors. */
  public static final class Blk extends VirtioTarget {
    public Blk() {
      super("virtio-blk", "VirtioBlock");
    }

    @Override
    VirtioDevice device() {
      return new VirtioBlock(new StrictDisk());
    }

    @Override
    public List<byte[]> seeds() {
      byte[] read = new Words().u32(0, 0).u64(2).done();
      byte[] write = new Words().u32(1, 0).u64(3).done();
      byte[] flush = new Words().u32(4, 0).u64(0).done();
      byte[] id = new Words().u32(8, 0).u64(0).done();
      return List.of(
          request(0, read, 1024, true),
          request(0, write, 512, false),
          request(0, flush, 0, true),
          request(0, id, 20, true));
    }
  }

  /** A network adapter on a user network. */
  public static final class Net extends VirtioTarget {
    public Net() {
      super("virtio-net", "VirtioNet");
    }

    @Override
    VirtioDevice device() {
      return new VirtioNet(new byte[] {0x52, 0x54, 0, 0x12, 0x34, 0x56}, new UserNetwork());
    }

    @Override
    public List<byte[]> seeds() {
      byte[] frame = new Words().zeros(12).bytes(NetworkTarget.arp()).done();
      return List.of(
          new Words()
              .bytes(describe(0, 0, BUFFERS + 0x4000, 2048, DEVICE_WRITES, 0))
              .bytes(offer(0, 0))
              .bytes(memory(BUFFERS, frame))
              .bytes(describe(1, 0, BUFFERS, frame.length, 0, 0))
              .bytes(offer(1, 0))
              .done(),
          offer(1, 0));
    }
  }

  /** Entropy. */
  public static final class Rng extends VirtioTarget {
    public Rng() {
      super("virtio-rng", "VirtioEntropy");
    }

    @Override
    VirtioDevice device() {
      return new VirtioEntropy(1);
    }

    @Override
    public List<byte[]> seeds() {
      return List.of(
          new Words()
              .bytes(describe(0, 0, BUFFERS, 64, DEVICE_WRITES, 0))
              .bytes(offer(0, 0))
              .done());
    }
  }

  /** A console. */
  public static final class Console extends VirtioTarget {
    public Console() {
      super("virtio-console", "VirtioConsole");
    }

    @Override
    VirtioDevice device() {
      return new VirtioConsole(b -> {});
    }

    @Override
    public List<byte[]> seeds() {
      return List.of(
          new Words()
              .bytes(memory(BUFFERS, new byte[] {'h', 'i'}))
              .bytes(describe(1, 0, BUFFERS, 2, 0, 0))
              .bytes(offer(1, 0))
              .done());
    }
  }

  /** A shared folder. */
  public static final class Fs extends VirtioTarget {
    private @Nullable Path folder;
    private @Nullable FuseServer server;

    public Fs() {
      super("virtio-fs", "VirtioFs");
    }

    @Override
    VirtioDevice device() {
      try {
        Path p = folder;
        if (p == null) {
          p = Files.createTempDirectory("vesper-fuzz");
          p.toFile().deleteOnExit();
          folder = p;
        }
        FuseServer last = server;
        if (last != null) {
          last.close();
        }
        FuseServer s = new FuseServer(p, true);
        server = s;
        return new VirtioFs("folder", s);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public List<byte[]> seeds() {
      byte[] init = new Words().u32(56, 26).u64(7, 0).u32(0, 0, 0, 0).u32(7, 31, 1 << 17, 0).done();
      byte[] attributes = new Words().u32(56, 3).u64(8, 1).zeros(32).done();
      return List.of(request(1, init, 200, true), request(1, attributes, 200, true));
    }
  }

  /** OpenBSD's control device. */
  public static final class Vmmci extends VirtioTarget {
    public Vmmci() {
      super("virtio-vmmci", "VirtioVmmci");
    }

    /** It has no queue: what serves those is not reached through it. */
    @Override
    public List<String> covers() {
      return List.of(DEVICES + "VirtioVmmci");
    }

    @Override
    VirtioDevice device() {
      return new VirtioVmmci(() -> SECOND, 0, () -> {});
    }

    @Override
    void after(VirtioDevice d) {
      if (d instanceof VirtioVmmci v && v.nextEvent() != Timed.NEVER) {
        v.advance(v.nextEvent());
      }
    }

    @Override
    public List<byte[]> seeds() {
      Words w = new Words();
      for (int at = 0; at < 16; at++) {
        w.u8(READ).u16(CONFIGURATION + at).u8(0).u8(READ).u16(OLD_CONFIGURATION + at).u8(0);
      }
      return List.of(
          w.done(),
          new Words().u8(WRITE).u16(CONFIGURATION).u8(2).u32(2).done(),
          new Words().u8(WRITE).u16(OLD_CONFIGURATION).u8(2).u32(2).done());
    }
  }

  private final String name;
  private final String covered;
  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final DeviceWork work = new DeviceWork();
  private final byte[] zeros = new byte[USED_BY_TARGETS];

  VirtioTarget(String name, String covered) {
    this.name = name;
    this.covered = covered;
  }

  abstract VirtioDevice device();

  /** What happens at the end without the guest's doing. */
  void after(VirtioDevice d) {
    // Most do nothing by themselves.
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<String> covers() {
    return Stream.of(covered, "Virtqueue", "VirtioRequest", "VirtioPci", "LegacyVirtioPci")
        .map(DEVICES::concat)
        .toList();
  }

  @Override
  public int longest() {
    return 2048;
  }

  @Override
  public int inputs() {
    return 10_000;
  }

  static byte[] memory(int at, byte[] b) {
    return new Words().u8(MEMORY).u32(at).u8(b.length).bytes(b).done();
  }

  static byte[] describe(int queue, int n, int at, int length, int flags, int next) {
    return new Words().u8(DESCRIBE).u8(queue, n).u32(at, length).u16(flags, next).done();
  }

  static byte[] offer(int queue, int head) {
    return new Words().u8(OFFER).u8(queue, head).done();
  }

  /** A header, data, and a byte of status. */
  static byte[] request(int queue, byte[] header, int length, boolean in) {
    return new Words()
        .bytes(memory(BUFFERS, header))
        .bytes(describe(queue, 0, BUFFERS, header.length, NEXT, 1))
        .bytes(describe(queue, 1, BUFFERS + 0x1000, length, NEXT | (in ? DEVICE_WRITES : 0), 2))
        .bytes(describe(queue, 2, BUFFERS + 0x8000, 1, DEVICE_WRITES, 0))
        .bytes(offer(queue, 0))
        .done();
  }

  private static long tableOf(int queue) {
    return FIRST_QUEUE + (long) QUEUE * queue;
  }

  /** Registers by offset, as a driver reaches them. */
  private interface Registers {
    void write(long at, int bytes, long value);

    void read(long at, int bytes);
  }

  @Override
  public void take(byte[] input) {
    modern(input);
    legacy(input);
  }

  private void modern(byte[] input) {
    memory.write(0, zeros, 0, zeros.length);
    VirtioDevice v = device();
    MmioBus mmio = new MmioBus();
    PciBus pci = new PciBus(new PortBus(), mmio, (address, data) -> {});
    VirtioPci d = new VirtioPci(v, memory, false, work);
    pci.add(3, d, on -> {});
    d.writeConfig(0x20, 4, (int) BAR);
    d.writeConfig(4, 2, 7);
    Registers r =
        new Registers() {
          @Override
          public void write(long at, int bytes, long value) {
            mmio.write(BAR + (at & 0x3FFF), bytes, value);
          }

          @Override
          public void read(long at, int bytes) {
            mmio.read(BAR + (at & 0x3FFF), bytes);
          }
        };
    r.write(STATUS, 1, 0);
    r.write(STATUS, 1, 3);
    r.write(0x08, 4, 1);
    r.write(0x0C, 4, 1);
    r.write(0x08, 4, 0);
    r.write(0x0C, 4, mmio.read(BAR + 4, 4) & 0x3000_0000);
    r.write(STATUS, 1, 11);
    for (int q = 0; q < v.queues(); q++) {
      r.write(0x16, 2, q);
      r.write(0x18, 2, ENTRIES);
      for (int part = 0; part < 3; part++) {
        r.write(0x20 + 8 * part, 8, tableOf(q) + 0x1000 * part);
      }
      r.write(0x1C, 2, 1);
    }
    r.write(STATUS, 1, 15);
    perform(new FuzzInput(input), r, d, v.queues(), 0x1000, ENTRIES, 0x3000, 4);
    after(v);
  }

  private void legacy(byte[] input) {
    memory.write(0, zeros, 0, zeros.length);
    VirtioDevice v = device();
    PortBus ports = new PortBus();
    PciBus pci = new PciBus(ports, new MmioBus(), (address, data) -> {});
    LegacyVirtioPci d = new LegacyVirtioPci(v, memory, work);
    pci.add(3, d, on -> {});
    d.writeConfig(0x10, 4, PORTS);
    d.writeConfig(4, 2, 7);
    Registers r =
        new Registers() {
          @Override
          public void write(long at, int bytes, long value) {
            ports.write((int) (PORTS + (at & 0x3F)), Math.min(bytes, 4), (int) value);
          }

          @Override
          public void read(long at, int bytes) {
            ports.read((int) (PORTS + (at & 0x3F)), Math.min(bytes, 4));
          }
        };
    r.write(0x12, 1, 3);
    for (int q = 0; q < v.queues(); q++) {
      r.write(0x0E, 2, q);
      r.write(0x08, 4, tableOf(q) >> 12);
    }
    r.write(0x12, 1, 7);
    perform(new FuzzInput(input), r, d, v.queues(), 16 * OLD_ENTRIES, OLD_ENTRIES, 0x10, 0);
    after(v);
  }

  /**
   * @param ring where what is available is listed, from a queue's table on
   * @param doorbell the register that is told of it, and how far apart those of queues are
   */
  private void perform(
      FuzzInput in,
      Registers d,
      PciDevice pci,
      int queues,
      int ring,
      int entries,
      int doorbell,
      int apart) {
    while (in.more()) {
      switch (in.u8() % KINDS) {
        case MEMORY -> {
          long at = in.i32() & RAM - 1;
          byte[] b = in.bytes(in.u8());
          if (memory.contains(at, b.length)) {
            memory.write(at, b, 0, b.length);
          }
        }
        case WRITE -> {
          int at = in.u16();
          int size = 1 << (in.u8() & 3);
          d.write(at, size, in.number(size));
        }
        case READ -> {
          int at = in.u16();
          d.read(at, 1 << (in.u8() & 3));
        }
        case DESCRIBE -> {
          long at = tableOf(in.u8() % 4) + 16L * (in.u8() % ENTRIES);
          memory.write(at, 8, in.i32() & 0xFFFF_FFFFL);
          memory.write(at + 8, 4, in.i32());
          memory.write(at + 12, 2, in.u16());
          memory.write(at + 14, 2, in.u16());
        }
        case OFFER -> {
          int q = in.u8() % Math.max(queues, 1);
          long list = tableOf(q) + ring;
          int index = (int) memory.read(list + 2, 2);
          memory.write(list + 4 + 2L * (index % entries), 2, in.u8());
          memory.write(list + 2, 2, index + 1);
          d.write(doorbell + (long) apart * q, 2, q);
        }
        case CONFIG -> pci.writeConfig(in.u8() & 0xFC, 4, in.i32());
        default -> pci.readConfig(in.u8() & 0xFC, 4);
      }
      Pending.finish(work);
    }
  }
}
