package dev.vesper.machine.cpu.jit;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.Region;
import dev.vesper.machine.cpu.Translator;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.MethodModel;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodHandles;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Makes a hidden class of each region: it goes when the region goes. */
public final class RegionTranslator implements Translator {
  /**
   * Instructions of a region at most. HotSpot takes more than twice as long for a method of twice
   * the size, and neighbouring regions have many blocks in common.
   */
  private static final int LIMIT = 60;

  /** HotSpot does not compile methods of 8000 bytes and more. */
  private static final int MAX_BYTES = 7800;

  private static final MethodHandles.Lookup LOOKUP = MethodHandles.lookup();

  /** The emitter says what the verifier must know, which is the same everywhere. */
  private static final ClassFile CLASS_FILE =
      ClassFile.of(ClassFile.StackMapsOption.DROP_STACK_MAPS);

  static final ClassDesc NAME = ClassDesc.of(RegionTranslator.class.getPackageName(), "Translated");
  private static final ClassDesc REGION = Region.class.describeConstable().orElseThrow();
  private static final ClassDesc CPU = Cpu.class.describeConstable().orElseThrow();

  /** What {@link #standard} takes where the property {@link #PROPERTY} is not set. */
  public static final int THRESHOLD = 10_000;

  /** System property that sets the threshold of every machine; 0 leaves the translator out. */
  public static final String PROPERTY = "vesper.jit";

  private final int threshold;

  /**
   * @param threshold how often a block is interpreted before it is translated
   */
  public RegionTranslator(int threshold) {
    this.threshold = threshold;
  }

  /** {@return the threshold that the property says, or {@link #THRESHOLD}} */
  public static int standard() {
    return Integer.getInteger(PROPERTY, THRESHOLD);
  }

  /**
   * Has a processor's hot code translated.
   *
   * @param threshold 0 for never
   */
  public static void attach(Cpu cpu, int threshold) {
    cpu.translateWith(threshold > 0 ? new RegionTranslator(threshold) : null);
  }

  @Override
  public int threshold() {
    return threshold;
  }

  @Override
  public Plan plan(Cpu cpu, Block head, boolean onePage) {
    Shape whole = new Shape(cpu, head, LIMIT, onePage);
    return new Plan() {
      @Override
      public List<Block> blocks() {
        return whole.blocks;
      }

      @Override
      public @Nullable Region region() {
        return translate(cpu, whole);
      }
    };
  }

  /** {@return a region of a shape, or of its beginning if it is too large for HotSpot} */
  private static @Nullable Region translate(Cpu cpu, Shape whole) {
    Region r = compile(cpu, whole);
    int head = whole.blocks.get(0).length();
    for (int limit = LIMIT / 2; r == null && limit >= head; limit /= 2) {
      r = compile(cpu, whole.upTo(limit));
    }
    return r;
  }

  private static @Nullable Region compile(Cpu cpu, Shape shape) {
    boolean[] stack32 = {false};
    byte[] file =
        CLASS_FILE.build(
            NAME,
            c -> {
              c.withSuperclass(REGION);
              c.withFlags(ClassFile.ACC_FINAL | ClassFile.ACC_SUPER);
              c.withMethodBody(
                  ConstantDescs.INIT_NAME,
                  ConstantDescs.MTD_void,
                  ClassFile.ACC_PUBLIC,
                  b ->
                      b.aload(0)
                          .invokespecial(REGION, ConstantDescs.INIT_NAME, ConstantDescs.MTD_void)
                          .return_());
              c.withMethodBody(
                  "run",
                  MethodTypeDesc.of(ConstantDescs.CD_int, CPU, ConstantDescs.CD_int),
                  ClassFile.ACC_PUBLIC,
                  b -> {
                    RegionCode r = new RegionCode(shape, cpu.features, cpu.covers(), b);
                    r.emit();
                    stack32[0] = r.stack32();
                  });
            });
    if (file.length > MAX_BYTES && codeLength(file) > MAX_BYTES) {
      return null;
    }
    try {
      Region r =
          (Region)
              LOOKUP
                  .defineHiddenClass(file, false)
                  .lookupClass()
                  .getDeclaredConstructor()
                  .newInstance();
      int n = shape.blocks.size();
      long[] distances = new long[n];
      for (int i = 0; i < n; i++) {
        distances[i] = Emitter.pageOf(shape.place(i));
      }
      r.describe(shape.blocks.toArray(new Block[0]), distances, stack32[0], cpu.covers());
      return r;
    } catch (ReflectiveOperationException e) {
      throw new AssertionError("cannot define a region", e);
    }
  }

  private static int codeLength(byte[] file) {
    int longest = 0;
    for (MethodModel m : CLASS_FILE.parse(file).methods()) {
      longest = Math.max(longest, m.findAttribute(Attributes.code()).orElseThrow().codeLength());
    }
    return longest;
  }
}
