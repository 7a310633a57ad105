package dev.vesper.machine.igvm;

import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.SnpPolicy;
import org.jspecify.annotations.Nullable;

/** A header of an IGVM file. */
public sealed interface IgvmHeader {
  /** The mask of headers that are for every platform. */
  int ALL = -1;

  /** {@return which header it is; null for one that is passed over} */
  @Nullable IgvmHeaderType type();

  /** {@return the platforms that it is for, a bit each} */
  int mask();

  /**
   * A kind of isolation that the file can be loaded under.
   *
   * @param vtl the highest virtual trust level, for which the guest needs a VMPL of its own
   * @param number of the platform; {@link IgvmPlatform} names those that there are
   * @param sharedBoundary guest physical address above which memory is shared, 0 for none
   */
  record Platform(int mask, int vtl, int number, int version, long sharedBoundary)
      implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.SUPPORTED_PLATFORM;
    }

    /** {@return the platform, or null if it has no name here} */
    public @Nullable IgvmPlatform platform() {
      return IgvmPlatform.of(number);
    }
  }

  /** What the guest's owner allows; under SEV-SNP the bits of {@link SnpPolicy}. */
  record Policy(long bits, int mask) implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.GUEST_POLICY;
    }
  }

  /**
   * Memory that a loader may put elsewhere, and must have where it leaves it.
   *
   * @param type RELOCATABLE_REGION or PAGE_TABLE_RELOCATION_REGION
   */
  record Region(IgvmHeaderType type, int mask, long address, long length) implements IgvmHeader {}

  /**
   * Memory in which a loader tells the guest of its machine.
   *
   * @param offset of what it holds at first, in the file; 0 for zeros
   */
  record ParameterArea(int index, long length, long offset) implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.PARAMETER_AREA;
    }

    @Override
    public int mask() {
      return ALL;
    }
  }

  /**
   * What the loader is to tell.
   *
   * @param type what it is
   * @param area the index of its area
   * @param offset in the area
   */
  record Parameter(IgvmHeaderType type, int area, long offset) implements IgvmHeader {
    @Override
    public int mask() {
      return ALL;
    }
  }

  /** An area becomes pages that are not measured; its index is free again for nobody. */
  record ParameterInsert(long address, int mask, int area) implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.PARAMETER_INSERT;
    }
  }

  /**
   * A page.
   *
   * @param offset of its contents in the file; 0 for zeros
   * @param flags {@link #LARGE}, {@link #UNMEASURED}, {@link #SHARED}
   * @param kind {@link #NORMAL}, {@link #SECRETS}, {@link #CPUID} or {@link #CPUID_XF}
   */
  record PageData(long address, int mask, long offset, long flags, int kind) implements IgvmHeader {
    /** It has 2 MiB. */
    public static final int LARGE = 1;

    /** Its contents are not measured. */
    public static final int UNMEASURED = 2;

    /** The host sees it, and it is no part of the launch. */
    public static final int SHARED = 4;

    public static final int NORMAL = 0;
    public static final int SECRETS = 1;
    public static final int CPUID = 2;

    /** The part of the CPUID page that does not fit there, under Hyper-V. */
    public static final int CPUID_XF = 3;

    private static final String[] KINDS = {"normal", "secrets", "CPUID", "CPUID XF"};

    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.PAGE_DATA;
    }

    /** {@return whether all of some flags are set} */
    public boolean has(int flag) {
      return (flags & flag) == flag;
    }

    /** {@return how many bytes it has} */
    public int length() {
      return has(LARGE) ? 2 << 20 : 4096;
    }

    /** {@return what it holds, in words} */
    String words() {
      return (kind < KINDS.length ? KINDS[kind] : "kind " + kind)
          + (has(UNMEASURED) ? ", unmeasured" : "")
          + (has(SHARED) ? ", shared" : "")
          + (has(LARGE) ? ", 2 MiB" : "")
          + (offset == 0 && kind == NORMAL ? ", zeros" : "");
    }
  }

  /**
   * Registers that a virtual processor starts with.
   *
   * @param address guest physical, of its save area
   * @param offset of 4096 bytes in the file
   */
  record VpContext(long address, int mask, long offset, int processor) implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.VP_CONTEXT;
    }
  }

  /** Memory without which the guest does not work; it is not part of the launch. */
  record RequiredMemory(long address, int mask, long length) implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.REQUIRED_MEMORY;
    }
  }

  /** Shared memory in which the guest says what went wrong. */
  record ErrorRange(long address, int mask, long length) implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.ERROR_RANGE;
    }
  }

  /**
   * What the owner expects of a launch under SEV-SNP.
   *
   * @param authorKey whether the author key must have signed the ID key
   * @param block without its policy, which is another header's
   * @param authentication who signed it
   */
  record SnpIdBlock(int mask, boolean authorKey, IdBlock block, IdAuthentication authentication)
      implements IgvmHeader {
    @Override
    public IgvmHeaderType type() {
      return IgvmHeaderType.SNP_ID_BLOCK;
    }
  }

  /** A header that says nothing to a loader for AMD's processors. */
  record Foreign(IgvmHeaderType type, int mask) implements IgvmHeader {}

  /** A header that is not known here, and need not be. */
  record Unknown(long code, int length) implements IgvmHeader {
    @Override
    public @Nullable IgvmHeaderType type() {
      return null;
    }

    @Override
    public int mask() {
      return ALL;
    }
  }
}
