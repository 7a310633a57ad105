package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.memory.Page;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Sees what the guest sees: registers and plaintext, however they are protected. It is not part of
 * the modelled world; a host of that world has {@link Machine#hostView} and {@link
 * Machine#hypervisor}. Looking changes nothing: counts, hashes and traces stay what they are.
 *
 * <p>It may be used while the machine stands still, and in callbacks of events.
 */
public final class Observer {
  private final Assembly parts;
  private final List<VcpuView> vcpus;

  Observer(Assembly parts, Changes changes) {
    this.parts = parts;
    vcpus =
        IntStream.range(0, parts.vcpus.size())
            .mapToObj(i -> new VcpuView(parts, changes, i))
            .toList();
  }

  /** {@return all vCPUs, the boot processor first} */
  public List<VcpuView> vcpus() {
    return vcpus;
  }

  /**
   * {@return a vCPU}
   *
   * @throws IndexOutOfBoundsException if there is none of that number
   */
  public VcpuView vcpu(int id) {
    Objects.checkIndex(id, vcpus.size());
    return vcpus.get(id);
  }

  /** {@return the vCPU whose turn it is, or was before the machine stopped} */
  public VcpuView current() {
    return vcpus.get(parts.host.loop().current());
  }

  /**
   * {@return memory in plaintext, as the guest sees its private pages}
   *
   * @param address guest physical, or that of a page of the host behind them
   * @throws IndexOutOfBoundsException if the range does not lie in memory
   */
  public byte[] readPrivate(long address, int length) {
    return read(parts, address, length, parts.key);
  }

  /**
   * {@return memory as whoever touched each page last has it: what is private in plaintext}
   *
   * @throws IndexOutOfBoundsException if the range does not lie in memory
   */
  public byte[] readAsTouched(long address, int length) {
    byte[] out = new byte[length];
    for (int done = 0; done < length; ) {
      long at = address + done;
      int n = (int) Math.min(length - done, Page.SIZE - (at & Page.SIZE - 1));
      int key = isPrivate(at) ? parts.key : Page.SHARED;
      System.arraycopy(read(parts, at, n, key), 0, out, done, n);
      done += n;
    }
    return out;
  }

  /**
   * {@return memory as the bus carries it}
   *
   * @throws IndexOutOfBoundsException if the range does not lie in memory
   */
  public byte[] readBus(long address, int length) {
    return read(parts, address, length, Page.SHARED);
  }

  /**
   * {@return whether the page of an address was last touched as private memory of the guest, as its
   * bytes are stored then}
   *
   * @throws IndexOutOfBoundsException if it does not lie in memory
   */
  public boolean isPrivate(long address) {
    Objects.checkIndex(address, (long) parts.memory.totalPages() << 12);
    return parts.key != Page.SHARED && parts.memory.domain((int) (address >>> 12)) == parts.key;
  }

  static byte[] read(Assembly parts, long address, int length, int key) {
    long end = (long) parts.memory.totalPages() << 12;
    if (length < 0 || address < 0 || address > end - length) {
      throw new IndexOutOfBoundsException(
          length
              + " bytes at physical 0x"
              + Long.toHexString(address)
              + " do not lie in memory, which ends at 0x"
              + Long.toHexString(end));
    }
    return parts.memory.peek(address, length, key);
  }
}
