package dev.vesper.machine.memory;

import dev.vesper.machine.host.GuestRam;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * All system memory: guest RAM where {@link GuestRam} has it, then the pages that the host keeps
 * for itself (VMCB, VMSA, permission maps). Pages come into being when they are first touched;
 * until then they are zero on the bus.
 */
public final class PhysicalMemory {
  private static final int BLOCK = XexCipher.BLOCK;

  private final transient PageDirectory pages;
  private final transient PageStore store = new PageStore();
  private final GuestRam ram;
  private final int firstHostPage;
  private int nextHostPage;

  /** Pages that there are; other threads may ask. */
  private transient volatile int touched;

  private final transient List<MemoryKey> keys = new ArrayList<>();
  private transient XexCipher.Maker ciphers = JavaXex::new;
  private final transient List<IntConsumer> domainListeners = new ArrayList<>();
  private final transient List<CodeListener> codeListeners = new ArrayList<>();
  private final transient CodeBudget codeBudget;
  private final transient byte[] scratch = new byte[Page.SIZE];
  private transient @Nullable MemoryObserver observer;

  /** What pages held at earlier moments, or null while nobody wants to go back. */
  private transient @Nullable MemoryMoments moments;

  private final transient BitSet watched = new BitSet();

  /** By page: the one that hosts reach by its address, where modules lie. */
  private final Map<Integer, Integer> aliases = new HashMap<>();

  /** Who owns which page, or null without SEV-SNP. */
  private @Nullable Rmp rmp;

  /** Memory of a guest that has RAM from address 0 on alone. */
  public PhysicalMemory(long guestBytes, int hostPages) {
    this(GuestRam.below(guestBytes), 0, hostPages);
  }

  /**
   * @param ram guest RAM
   * @param topPages pages below which memory of the guest may lie besides RAM, 0 for none
   * @param hostPages pages that the host may allocate behind it
   */
  public PhysicalMemory(GuestRam ram, int topPages, int hostPages) {
    this.ram = ram;
    firstHostPage = Math.max(Math.toIntExact(ram.end() >>> 12), topPages);
    nextHostPage = firstHostPage;
    pages = new PageDirectory(Math.addExact(firstHostPage, hostPages));
    codeBudget = CodeBudget.standard(Math.min(ram.bytes(), PageStore.room()));
  }

  /** Tells an observer about changes of domain, or none with null. */
  public void observe(@Nullable MemoryObserver o) {
    observer = o;
  }

  /**
   * Has a reverse map table from now on, in which all pages are the hypervisor's.
   *
   * @param key the encryption domain of guests
   */
  public Rmp protect(int key) {
    Rmp table = new Rmp(this, key);
    rmp = table;
    return table;
  }

  /** {@return who owns which page, or null without SEV-SNP} */
  public @Nullable Rmp rmp() {
    return rmp;
  }

  /** {@return whether anybody is told what happens} */
  boolean isObserved() {
    return observer != null;
  }

  /**
   * Tells observers that the host has changed an entry of the reverse map table.
   *
   * @param before the entry as it was
   */
  void entryChanged(String instruction, int frame, RmpEntry before) {
    if (observer != null && rmp != null) {
      long address = (long) frame << 12;
      observer.entryChanged(instruction, address, before, rmp.read(address));
    }
  }

  /** Tells observers that the host reads a private page. */
  void hostReads(int frame, boolean device) {
    if (observer != null) {
      observer.hostReads(frame, device);
    }
  }

  /** {@return where guest RAM lies} */
  public GuestRam ram() {
    return ram;
  }

  /** {@return the first page that no guest has: those of the host begin here} */
  public int firstHostPage() {
    return firstHostPage;
  }

  /** {@return how many pages have come into being; from any thread} */
  public int touchedPages() {
    return touched;
  }

  /** {@return all pages, the host's included} */
  public int totalPages() {
    return pages.size();
  }

  /** {@return the frame of a new host page} */
  public int allocateHostPage() {
    assert nextHostPage < pages.size() : "host pages used up";
    return nextHostPage++;
  }

  /** Says what keys that are made from now on encrypt by, which is what Java has otherwise. */
  public void encryptBy(XexCipher.Maker maker) {
    ciphers = maker;
  }

  /**
   * Makes a key; its number is the domain to use.
   *
   * @param seed decides the key, so that a run can be repeated
   */
  public int createKey(long seed) {
    Random random = new Random(seed);
    byte[] data = new byte[16];
    byte[] tweak = new byte[16];
    random.nextBytes(data);
    random.nextBytes(tweak);
    keys.add(new MemoryKey(ciphers.make(data, tweak)));
    return keys.size();
  }

  /** A processor that caches decoded code and translations of pages. */
  public interface CodeListener {
    /** Decoded code of some page was dropped. */
    void codeDropped();

    /** Decoded code of some pages was let go to make room. */
    void codeEvicted();

    /** Stores to a page must be noticed from now on, the next one of each processor. */
    void storesAreTold(int frame);

    /** Code is being decoded from a page: stores to it must be noticed from now on. */
    void codeDecoded(int frame);
  }

  /** Tells every processor when code is decoded or dropped. */
  public void onCode(CodeListener listener) {
    codeListeners.add(listener);
  }

  /** Drops decoded code of a page that a processor stores to. */
  public void dropCode(Page p) {
    p.dropCode();
    for (CodeListener l : codeListeners) {
      l.codeDropped();
    }
  }

  /** Drops all decoded code, because it is to be decoded otherwise. */
  public void dropAllCode() {
    pages.forEach(
        p -> {
          if (p.codeLines != 0) {
            dropCode(p);
          }
        });
  }

  /** {@return how much decoded code there may be} */
  public CodeBudget codeBudget() {
    return codeBudget;
  }

  /** Tells every processor that decoded code was let go. */
  public void codeEvicted() {
    for (CodeListener l : codeListeners) {
      l.codeEvicted();
    }
  }

  /** Hands on every page that was ever touched. */
  public void forEachPage(Consumer<Page> to) {
    pages.forEach(to);
  }

  /** Announces that code is about to be decoded from a page. */
  public void decoding(Page p) {
    for (CodeListener l : codeListeners) {
      l.codeDecoded(p.frame);
    }
  }

  /** Drops decoded code of a page that somebody other than the processor wrote to. */
  void codeChanged(Page p) {
    p.dropCode();
    for (IntConsumer l : domainListeners) {
      l.accept(p.frame);
    }
  }

  /** Calls back with the frame whenever bytes of a page change behind the processor's back. */
  public void onDomainChange(IntConsumer listener) {
    domainListeners.add(listener);
  }

  /** {@return the page as seen from a domain, converted if another one touched it last} */
  public Page page(int frame, int domain) {
    Page p = pages.get(frame);
    if (p == null) {
      p = store.page(frame);
      touched++;
      p.watched = watched.get(frame);
      pages.put(p);
      if (moments != null) {
        moments.born(p);
      }
      if (rmp != null && rmp.isGuests(frame)) {
        p.domain = rmp.key();
      }
      if (p.domain != domain) {
        convert(p, domain);
      }
    } else if (p.domain != domain) {
      if (observer != null) {
        observer.converted(frame, p.domain, domain);
      }
      convert(p, domain);
    }
    return p;
  }

  /** {@return whether the host may write to a page: it faults on one that is not its own} */
  boolean hostMayWrite(int frame) {
    return rmp == null || rmp.hypervisorOwns(frame);
  }

  /** Tells observers that the host was refused to write to a page. */
  void hostRefused(int frame, int offset, int length, boolean device) {
    if (observer != null) {
      observer.hostRefused(frame, offset, length, device);
    }
  }

  /** Tells observers that the host writes to a page, which is shared from then on. */
  void hostWrites(int frame, int offset, int length, boolean device) {
    Page p = pages.get(frame);
    MemoryObserver o = observer;
    if (o == null) {
      return;
    }
    if (p != null && p.domain != Page.SHARED) {
      o.hostWrites(frame, offset, length, device);
      convert(p, Page.SHARED);
    }
    o.hostWroteShared(frame, offset, length, device);
  }

  /** Tells observers that the host reads a page that is shared. */
  void hostReadsShared(int frame, int offset, int length, boolean device) {
    if (observer != null) {
      observer.hostReadShared(frame, offset, length, device);
    }
  }

  private void convert(Page p, int domain) {
    p.keepPromise();
    p.changes();
    if (p.domain != Page.SHARED) {
      keys.get(p.domain - 1).encrypt(p);
    }
    if (domain != Page.SHARED) {
      keys.get(domain - 1).decrypt(p);
    }
    p.domain = domain;
    p.dropCode();
    for (IntConsumer l : domainListeners) {
      l.accept(p.frame);
    }
  }

  /**
   * Encrypts a page in place as LAUNCH_UPDATE does: what the host wrote becomes the plaintext.
   *
   * @param domain the guest's key
   */
  public void encryptInPlace(int frame, int domain) {
    Page p = page(frame, Page.SHARED);
    p.changes();
    p.domain = domain;
    for (IntConsumer l : domainListeners) {
      l.accept(frame);
    }
  }

  /** The same of a page that may not have come into being yet: zeros are zeros under any key. */
  void launchInPlace(int frame, int domain) {
    if (pages.get(frame) != null) {
      encryptInPlace(frame, domain);
    }
  }

  /** Fills a page with zeros, if it has come into being. */
  public void clear(int frame) {
    if (pages.get(frame) != null) {
      page(frame, Page.SHARED).fill(0, Page.SIZE, (byte) 0);
    }
  }

  /** The entry of a page has changed: nothing that follows from it may be kept. */
  void ownerChanged(int frame) {
    Page p = pages.get(frame);
    if (p != null) {
      if (p.codeLines != 0) {
        p.dropCode();
      }
      for (IntConsumer l : domainListeners) {
        l.accept(frame);
      }
    }
  }

  /**
   * Has a page hold zeros in an encryption domain; promised bytes never come.
   *
   * @param domain a key's, or {@link Page#SHARED}
   */
  void discard(int frame, int domain) {
    Page p = pages.get(frame);
    if (p == null) {
      return;
    }
    p.takeBack();
    p.changes();
    p.domain = domain;
    p.fill(0, Page.SIZE, (byte) 0);
  }

  /** {@return a page that there is, as one that is private from the start is} */
  private @Nullable Page present(int frame) {
    Page p = pages.get(frame);
    return p == null && rmp != null && rmp.isGuests(frame) ? page(frame, rmp.key()) : p;
  }

  /**
   * {@return the domain of a page, {@link Page#SHARED} if it was never touched and is not private
   * from the start}
   */
  public int domain(int frame) {
    Page p = pages.get(frame);
    return p != null ? p.domain : rmp != null && rmp.isGuests(frame) ? rmp.key() : Page.SHARED;
  }

  /** Copies what the bus carries for a page, without changing its domain. */
  void readBus(int frame, byte[] to) {
    Page p = pages.get(frame);
    if (p == null) {
      java.util.Arrays.fill(to, (byte) 0);
      return;
    }
    p.keepPromise();
    if (p.domain == Page.SHARED) {
      p.copyTo(0, to, 0, Page.SIZE);
    } else {
      keys.get(p.domain - 1).encrypt(p, to, 0, Page.SIZE);
    }
  }

  /**
   * Copies a part of what the bus carries for a private page: the blocks of sixteen bytes that it
   * lies in.
   *
   * @param to takes them at their offsets in the page
   */
  void readBus(int frame, byte[] to, int offset, int length) {
    Page p = present(frame);
    if (p == null || p.domain == Page.SHARED) {
      throw new AssertionError("a page that is not private");
    }
    p.keepPromise();
    keys.get(p.domain - 1).encrypt(p, to, offset & -BLOCK, offset + length + BLOCK - 1 & -BLOCK);
  }

  /** Copies a page as its owner sees it, for observers; never changes its domain. */
  public void peek(int frame, int domain, byte[] to) {
    Page p = pages.get(frame);
    if (p == null && domain != Page.SHARED && domain == domain(frame)) {
      java.util.Arrays.fill(to, (byte) 0);
      return;
    }
    if (p != null && p.domain == domain) {
      p.keepPromise();
      p.copyTo(0, to, 0, Page.SIZE);
      return;
    }
    readBus(frame, to);
    if (domain != Page.SHARED) {
      keys.get(domain - 1).decrypt(to, frame);
    }
  }

  /** {@return bytes as an access from a domain would see them, without changing anything} */
  public byte[] peek(long address, int length, int domain) {
    byte[] out = new byte[length];
    byte[] page = new byte[Page.SIZE];
    for (int done = 0; done < length; ) {
      int in = (int) (address + done) & 0xFFF;
      int n = Math.min(Page.SIZE - in, length - done);
      peek((int) (address + done >>> 12), domain, page);
      System.arraycopy(page, in, out, done, n);
      done += n;
    }
    return out;
  }

  /**
   * Changes bytes as a debugger does: whoever has decoded code from them notices.
   *
   * @param bytes that lie in one page
   * @param domain that the page is in, so that nothing is converted
   */
  public void poke(long address, byte[] bytes, int domain) {
    int frame = (int) (address >>> 12);
    assert domain(frame) == domain : frame;
    Page p = page(frame, domain);
    p.keepPromise();
    p.copyFrom((int) address & Page.SIZE - 1, bytes, 0, bytes.length);
    codeChanged(p);
  }

  /** {@return eight bytes of a page as its owner sees them, for observers} */
  public long peekLong(int frame, int domain, int offset) {
    Page p = pages.get(frame);
    if (p != null && p.domain == domain) {
      p.keepPromise();
      return p.get64(offset);
    }
    byte[] b = new byte[Page.SIZE];
    peek(frame, domain, b);
    return (long) Page.LONG.get(b, offset);
  }

  /**
   * Watches a page, or no more; it need not exist yet.
   *
   * @return whether that changes anything
   */
  public boolean watch(int frame, boolean on) {
    boolean changes = watched.get(frame) != on;
    watched.set(frame, on);
    Page p = pages.get(frame);
    if (p != null) {
      p.watched = on;
    }
    return changes;
  }

  // ---- moments to come back to

  /** {@return what memory held at moments; nothing is kept before the first is marked} */
  public MemoryMoments moments() {
    MemoryMoments m = moments;
    if (m == null) {
      m = new MemoryMoments(this);
      moments = m;
    }
    return m;
  }

  /** {@return a page, or null if it never came into being; never converted} */
  public @Nullable Page existing(int frame) {
    return pages.get(frame);
  }

  /** Has processors tell of their next store to a page. */
  void storesAreToldOf(Page p) {
    for (CodeListener l : codeListeners) {
      l.storesAreTold(p.frame);
    }
  }

  /** {@return whether there is a key for a domain, or it needs none} */
  boolean hasDomain(int domain) {
    return domain >= Page.SHARED && domain <= keys.size();
  }

  /** Has a page hold bytes in a domain, whatever it held; decoded code of it is dropped. */
  void replace(int frame, int domain, byte[] bytes) {
    Page p = pages.get(frame);
    if (p == null) {
      p = page(frame, domain);
    }
    p.takeBack();
    p.copyFrom(0, bytes, 0, Page.SIZE);
    p.domain = domain;
    p.dropCode();
    for (IntConsumer l : domainListeners) {
      l.accept(frame);
    }
  }

  /** A page has not come into being after all. */
  void unmake(Page p) {
    for (IntConsumer l : domainListeners) {
      l.accept(p.frame);
    }
    p.takeBack();
    p.dropCode();
    pages.remove(p.frame);
    touched--;
    store.giveBack(p);
  }

  /** Pages have the bytes of an earlier moment. */
  void takenBack(boolean code) {
    if (code) {
      for (CodeListener l : codeListeners) {
        l.codeDropped();
      }
    }
  }

  /**
   * Adds every page that was ever touched, as the bus carries it, to a digest.
   *
   * @param stale pages and the offset that each counts up to: zeros are taken for what lies behind
   */
  public void digest(MessageDigest digest, Map<Integer, Integer> stale) {
    ByteBuffer number = ByteBuffer.allocate(4);
    pages.forEach(
        p -> {
          digest.update(number.putInt(0, p.frame).array());
          readBus(p.frame, scratch);
          Arrays.fill(scratch, stale.getOrDefault(p.frame, Page.SIZE), Page.SIZE, (byte) 0);
          digest.update(scratch);
        });
    if (rmp != null) {
      rmp.digest(digest);
    }
  }

  /**
   * Has hosts and devices reach a page of the memory modules by the address of another one too,
   * past whoever owns it: a machine whose modules lie about their size.
   */
  public void alias(int frame, int second) {
    aliases.put(second, frame);
  }

  /** {@return the page that hosts reach by a page's address} */
  int reached(int frame) {
    return aliases.isEmpty() ? frame : aliases.getOrDefault(frame, frame);
  }

  /** Writes bytes of one page as the bus carries them, whoever owns it. */
  void pokeBus(int frame, int offset, byte[] from, int at, int length) {
    int domain = domain(frame);
    byte[] bus = new byte[Page.SIZE];
    peek(frame, Page.SHARED, bus);
    System.arraycopy(from, at, bus, offset, length);
    if (domain != Page.SHARED) {
      keys.get(domain - 1).decrypt(bus, frame);
    }
    poke((long) frame << 12, bus, domain);
  }

  /** {@return the view that hosts have} */
  public HostView hostView() {
    return new HostView(this, false);
  }

  /** {@return the same view for devices, whose accesses are DMA to observers} */
  public HostView deviceView() {
    return new HostView(this, true);
  }
}
