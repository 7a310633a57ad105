package dev.vesper.machine.state;

import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads and writes the fields of one class, not its superclasses', all in one call: by byte code
 * that is made for the class. Reflection takes ten times as long, which matters to whoever goes
 * back thousands of times a second; to make such code takes longer than some uses of reflection.
 *
 * <p>Numbers are kept as {@link ClassState#get} gives them.
 */
public abstract class FieldAccess {
  /** For the code that is made alone. */
  protected FieldAccess() {}

  /** Copies the fields of primitive types out of an object, from an index on. */
  public abstract void numbers(Object o, long[] to, int at);

  /** Copies them into an object. */
  public abstract void setNumbers(Object o, long[] from, int at);

  /** Copies the fields of other types out of an object, from an index on. */
  public abstract void references(Object o, @Nullable Object[] to, int at);

  /** Copies them into an object. */
  public abstract void setReferences(Object o, @Nullable Object[] from, int at);

  /** Copies final fields out of an object that lead to others, from an index on. */
  public abstract void paths(Object o, @Nullable Object[] to, int at);

  private static final ClassDesc BASE = ClassDesc.of(FieldAccess.class.getName());
  private static final ClassDesc LONGS = ConstantDescs.CD_long.arrayType();
  private static final ClassDesc OBJECTS = ConstantDescs.CD_Object.arrayType();

  // Local variables of all methods: the object, the array, an index, and the object as its class.
  private static final int OBJECT = 1;
  private static final int ARRAY = 2;
  private static final int INDEX = 3;
  private static final int TYPED = 4;

  /**
   * {@return code for the fields of a class}
   *
   * @param owner declares all of them
   * @param numbers of primitive types
   * @param references of other types
   * @param paths final ones of other types
   * @param writes whether the fields can be written to; else the code does nothing that sets them
   * @throws IllegalAccessException if nobody may look into the class
   */
  static FieldAccess make(
      Class<?> owner,
      List<Field> numbers,
      List<Field> references,
      List<Field> paths,
      boolean writes)
      throws IllegalAccessException {
    ClassDesc self = desc(owner);
    byte[] file =
        ClassFile.of(ClassFile.StackMapsOption.DROP_STACK_MAPS)
            .build(
                ClassDesc.of(owner.getPackageName(), "Fields"),
                c -> {
                  c.withSuperclass(BASE);
                  c.withFlags(ClassFile.ACC_FINAL | ClassFile.ACC_SUPER);
                  c.withMethodBody(
                      ConstantDescs.INIT_NAME,
                      ConstantDescs.MTD_void,
                      ClassFile.ACC_PUBLIC,
                      b ->
                          b.aload(0)
                              .invokespecial(BASE, ConstantDescs.INIT_NAME, ConstantDescs.MTD_void)
                              .return_());
                  method(c::withMethodBody, "numbers", LONGS, self, b -> numbers(b, self, numbers));
                  method(
                      c::withMethodBody,
                      "setNumbers",
                      LONGS,
                      self,
                      b -> setNumbers(b, self, writes ? numbers : List.of()));
                  method(
                      c::withMethodBody,
                      "references",
                      OBJECTS,
                      self,
                      b -> references(b, self, references));
                  method(
                      c::withMethodBody,
                      "setReferences",
                      OBJECTS,
                      self,
                      b -> setReferences(b, self, writes ? references : List.of()));
                  method(
                      c::withMethodBody, "paths", OBJECTS, self, b -> references(b, self, paths));
                });
    MethodHandles.Lookup in = MethodHandles.privateLookupIn(owner, MethodHandles.lookup());
    Class<?> made =
        in.defineHiddenClass(file, false, MethodHandles.Lookup.ClassOption.NESTMATE).lookupClass();
    try {
      Constructor<?> make = made.getDeclaredConstructor();
      make.setAccessible(true);
      return (FieldAccess) make.newInstance();
    } catch (ReflectiveOperationException e) {
      throw new AssertionError("cannot define access to fields", e);
    }
  }

  /** Adds a method to a class. */
  private interface Methods {
    Object add(String name, MethodTypeDesc type, int flags, Consumer<? super CodeBuilder> body);
  }

  private static void method(
      Methods to, String name, ClassDesc array, ClassDesc self, Consumer<CodeBuilder> body) {
    Object same =
        to.add(
            name,
            MethodTypeDesc.of(
                ConstantDescs.CD_void, ConstantDescs.CD_Object, array, ConstantDescs.CD_int),
            ClassFile.ACC_PUBLIC,
            b -> {
              b.aload(OBJECT).checkcast(self).astore(TYPED);
              body.accept(b);
              b.return_();
            });
    assert same != null;
  }

  private static void numbers(CodeBuilder b, ClassDesc self, List<Field> fields) {
    for (int i = 0; i < fields.size(); i++) {
      Field f = fields.get(i);
      element(b, i);
      b.aload(TYPED).getfield(self, f.getName(), desc(f.getType()));
      widen(b, f.getType());
      b.lastore();
    }
  }

  private static void setNumbers(CodeBuilder b, ClassDesc self, List<Field> fields) {
    for (int i = 0; i < fields.size(); i++) {
      Field f = fields.get(i);
      b.aload(TYPED);
      element(b, i);
      b.laload();
      narrow(b, f.getType());
      b.putfield(self, f.getName(), desc(f.getType()));
    }
  }

  private static void references(CodeBuilder b, ClassDesc self, List<Field> fields) {
    for (int i = 0; i < fields.size(); i++) {
      Field f = fields.get(i);
      element(b, i);
      b.aload(TYPED).getfield(self, f.getName(), desc(f.getType())).aastore();
    }
  }

  private static void setReferences(CodeBuilder b, ClassDesc self, List<Field> fields) {
    for (int i = 0; i < fields.size(); i++) {
      Field f = fields.get(i);
      b.aload(TYPED);
      element(b, i);
      b.aaload().checkcast(desc(f.getType())).putfield(self, f.getName(), desc(f.getType()));
    }
  }

  /** Puts the array and the index of a field in it on the stack. */
  private static void element(CodeBuilder b, int i) {
    b.aload(ARRAY).iload(INDEX).loadConstant(i).iadd();
  }

  private static void widen(CodeBuilder b, Class<?> t) {
    if (t == double.class) {
      b.invokestatic(
          ConstantDescs.CD_Double,
          "doubleToRawLongBits",
          MethodTypeDesc.of(ConstantDescs.CD_long, ConstantDescs.CD_double));
    } else if (t == float.class) {
      b.invokestatic(
          ConstantDescs.CD_Float,
          "floatToRawIntBits",
          MethodTypeDesc.of(ConstantDescs.CD_int, ConstantDescs.CD_float));
      b.i2l();
    } else if (t != long.class) {
      b.i2l();
    }
  }

  private static void narrow(CodeBuilder b, Class<?> t) {
    if (t == double.class) {
      b.invokestatic(
          ConstantDescs.CD_Double,
          "longBitsToDouble",
          MethodTypeDesc.of(ConstantDescs.CD_double, ConstantDescs.CD_long));
    } else if (t == float.class) {
      b.l2i();
      b.invokestatic(
          ConstantDescs.CD_Float,
          "intBitsToFloat",
          MethodTypeDesc.of(ConstantDescs.CD_float, ConstantDescs.CD_int));
    } else if (t != long.class) {
      b.l2i();
    }
  }

  private static ClassDesc desc(Class<?> c) {
    return c.describeConstable().orElseThrow();
  }
}
