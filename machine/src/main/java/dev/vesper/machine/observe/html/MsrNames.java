package dev.vesper.machine.observe.html;

import dev.vesper.x86.Msr;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.HashMap;
import java.util.Map;

/** Names of model-specific registers: those of {@link Msr}, which are the manuals'. */
final class MsrNames {
  private static final Map<Integer, String> NAMES = new HashMap<>();

  /** The registers of the local APIC in x2APIC mode. */
  private static final int X2APIC = 0x800;

  private static final int X2APIC_END = 0x900;

  static {
    for (Field f : Msr.class.getFields()) {
      if (f.getType() == int.class && Modifier.isStatic(f.getModifiers())) {
        try {
          NAMES.putIfAbsent(f.getInt(null), f.getName());
        } catch (IllegalAccessException e) {
          throw new IllegalStateException(e);
        }
      }
    }
  }

  private MsrNames() {}

  /** {@return a register's name, if it has one, and its number} */
  static String of(int number) {
    String hex = "0x" + Integer.toHexString(number);
    String name = NAMES.get(number);
    if (name == null && number >= X2APIC && number < X2APIC_END) {
      name = "x2APIC";
    }
    return name == null ? hex : name + " (" + hex + ")";
  }
}
