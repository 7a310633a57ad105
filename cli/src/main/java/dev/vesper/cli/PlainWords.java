package dev.vesper.cli;

import dev.vesper.machine.spec.MachineSpec;
import java.io.File;
import java.util.List;

/**
 * Which values of {@code run} are Vesper's own beyond doubt. Options that have QEMU's names may
 * have its values too, and what is not found here is looked at by its table, which takes longer to
 * load than this takes to ask.
 */
final class PlainWords {
  private static final List<String> DRIVE =
      List.of("format=raw", "format=qcow2", "if=virtio", "if=ide");

  private PlainWords() {}

  /**
   * {@return whether a value is plain}
   *
   * @param name of its option, the first one if there are several
   */
  static boolean are(String name, String value) {
    return switch (name) {
      case "-serial" -> value.equals("stdio") || value.equals("none") || isFile(value);
      case "-drive" -> drive(value);
      case "-nic" -> value.equals("none") || nic(value);
      case "-device" -> value.equals("pc-testdev") || value.equals(RunOptions.DEBUG_EXIT);
      case "-vga" -> value.equals("none") || value.startsWith("std");
      case "-M" -> List.of("minimal", "pc", "q35").contains(value);
      case "-action" -> value.startsWith("reboot=") && value.indexOf(',') < 0;
      case "-cpu" -> cpu(value);
      case "-d" -> false;
      case "-m" -> memory(value);
      case "-bios" -> value.indexOf('/') >= 0 || new File(value).exists();
      case "-debugcon" -> value.equals("stderr") || value.equals("none") || isFile(value);
      default -> true;
    };
  }

  private static boolean isFile(String value) {
    return value.startsWith("file:");
  }

  private static boolean drive(String value) {
    for (String part : value.split(",", -1)) {
      boolean known =
          part.startsWith("file=")
              || DRIVE.contains(part)
              || part.startsWith("readonly=")
              || part.startsWith("snapshot=");
      if (!known) {
        return false;
      }
    }
    return true;
  }

  private static boolean nic(String value) {
    String[] parts = value.split(",", -1);
    for (int i = 1; i < parts.length; i++) {
      if (!parts[i].startsWith("hostfwd=tcp:") && !parts[i].startsWith("guestfwd=")) {
        return false;
      }
    }
    return parts[0].equals("user");
  }

  private static boolean cpu(String value) {
    String[] parts = value.split(",", -1);
    for (int i = 1; i < parts.length; i++) {
      boolean sign = parts[i].startsWith("+") || parts[i].startsWith("-");
      if (!parts[i].startsWith("phys-bits=") && (!sign || parts[i].indexOf('=') >= 0)) {
        return false;
      }
    }
    return MachineSpec.cpuModels().contains(parts[0]);
  }

  private static boolean memory(String value) {
    char last = value.charAt(value.length() - 1);
    int digits = value.length() - (last == 'M' || last == 'G' ? 1 : 0);
    for (int i = 0; i < digits; i++) {
      if (value.charAt(i) < '0' || value.charAt(i) > '9') {
        return false;
      }
    }
    return true;
  }
}
