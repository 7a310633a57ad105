package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.device.virtio.LegacyVirtioPci;
import dev.vesper.machine.device.virtio.VirtioBlock;
import dev.vesper.machine.device.virtio.VirtioConsole;
import dev.vesper.machine.device.virtio.VirtioDevice;
import dev.vesper.machine.device.virtio.VirtioEntropy;
import dev.vesper.machine.device.virtio.VirtioNet;
import dev.vesper.machine.device.virtio.VirtioPci;
import dev.vesper.machine.device.virtio.VirtioVmmci;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.List;

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
  private static final int COMMON = 0x4000;
  private static final int NOTIFY = 0x7000;

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

  /** OpenBSD's control device. */
  public static final class Vmmci extends VirtioTarget {
    public Vmmci() {
      super("virtio-vmmci", "VirtioVmmci");
    }

    @Override
    VirtioDevice device() {
      return new VirtioVmmci(() -> 1_000_000_000L, 0, () -> {});
    }

    @Override
    public List<byte[]> seeds() {
      return List.of(new Words().u8(READ).u16(0x5000).u8(2).done());
    }
  }

  private final String name;
  private final String covered;
  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final byte[] zeros = new byte[USED_BY_TARGETS];

  VirtioTarget(String name, String covered) {
    this.name = name;
    this.covered = covered;
  }

  abstract VirtioDevice device();

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<String> covers() {
    String at = "dev.vesper.machine.device.virtio.";
    return List.of(at + covered, at + "Virtqueue", at + "VirtioRequest", at + "VirtioPci");
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

  @Override
  public void take(byte[] input) {
    memory.write(0, zeros, 0, zeros.length);
    DeviceWork work = new DeviceWork();
    FuzzInput in = new FuzzInput(input);
    VirtioDevice v = device();
    PciBus pci = new PciBus(new PortBus(), new MmioBus(), (address, data) -> {});
    VirtioPci d = new VirtioPci(v, memory, false, work);
    pci.add(3, d, on -> {});
    setUp(d, v.queues());
    perform(in, d, d, v.queues(), work);
    LegacyVirtioPci old = new LegacyVirtioPci(device(), memory, work);
    pci.add(4, old, on -> {});
    memory.write(0, zeros, 0, zeros.length);
    perform(new FuzzInput(input), old, old, v.queues(), work);
  }

  private static void setUp(VirtioPci d, int queues) {
    d.writeConfig(4, 2, 7);
    d.write(COMMON + 0x14, 1, 0);
    d.write(COMMON + 0x14, 1, 3);
    d.write(COMMON + 0x08, 4, 1);
    d.write(COMMON + 0x0C, 4, 1);
    d.write(COMMON + 0x08, 4, 0);
    d.write(COMMON + 0x0C, 4, d.read(COMMON + 4, 4) & 0x3000_0000);
    d.write(COMMON + 0x14, 1, 11);
    for (int q = 0; q < queues; q++) {
      d.write(COMMON + 0x16, 2, q);
      d.write(COMMON + 0x18, 2, ENTRIES);
      for (int part = 0; part < 3; part++) {
        d.write(COMMON + 0x20 + 8 * part, 8, tableOf(q) + 0x1000 * part);
      }
      d.write(COMMON + 0x1C, 2, 1);
    }
    d.write(COMMON + 0x14, 1, 15);
  }

  private void perform(FuzzInput in, MmioDevice d, PciDevice pci, int queues, DeviceWork work) {
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
          long at = in.u16() & 0x7FFF;
          int size = 1 << (in.u8() & 3);
          d.write(at, size, in.number(size));
        }
        case READ -> {
          long at = in.u16() & 0x7FFF;
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
          long ring = tableOf(q) + 0x1000;
          int index = (int) memory.read(ring + 2, 2);
          memory.write(ring + 4 + 2L * (index % ENTRIES), 2, in.u8());
          memory.write(ring + 2, 2, index + 1);
          d.write(NOTIFY + 4L * q, 2, q);
        }
        case CONFIG -> pci.writeConfig(in.u8() & 0xFC, 4, in.i32());
        default -> pci.readConfig(in.u8() & 0xFC, 4);
      }
      Pending.finish(work);
    }
  }
}
