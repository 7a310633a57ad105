package dev.vesper.machine.device;

import java.util.ArrayDeque;

/**
 * The keyboard controller at 60h and 64h with a keyboard and a mouse behind it (IBM PS/2, 8042):
 * commands, the output buffer with interrupts 1 and 12, translation to scan code set 1, and the
 * pulse that resets the machine.
 */
public final class I8042 implements PortDevice {
  private static final int OUTPUT_FULL = 1;
  private static final int SYSTEM = 4;
  private static final int COMMAND = 8;
  private static final int UNLOCKED = 0x10;
  private static final int FROM_MOUSE = 0x20;

  private static final int KEYBOARD_INTERRUPT = 1;
  private static final int MOUSE_INTERRUPT = 2;
  private static final int KEYBOARD_DISABLED = 0x10;
  private static final int MOUSE_DISABLED = 0x20;
  private static final int TRANSLATE = 0x40;

  private static final int ACKNOWLEDGE = 0xFA;
  private static final int RESEND = 0xFE;
  private static final int TEST_PASSED = 0xAA;

  /** More bytes than this wait for nobody. */
  private static final int MOST = 256;

  private record Output(int value, boolean mouse) {}

  private final InterruptLines lines;
  private final Runnable reset;
  private final ArrayDeque<Output> output = new ArrayDeque<>();
  private final Ps2Keys keys = new Ps2Keys();
  private final byte[] ram = new byte[32];
  private int outputPort = 0xCF;
  private boolean wasCommand;

  /** A controller command that waits for its byte, or 0. */
  private int pending;

  /** A keyboard command that waits for its byte, or 0; the mouse's likewise. */
  private int keyboardPending;

  private int mousePending;
  private boolean keyboardScans = true;
  private boolean mouseReports;
  private int mouseRate = 100;
  private int mouseResolution = 2;

  /**
   * @param lines takes interrupts 1 and 12
   * @param reset called when software pulses the reset line
   */
  public I8042(InterruptLines lines, Runnable reset) {
    this.lines = lines;
    this.reset = reset;
    ram[0] = KEYBOARD_INTERRUPT | SYSTEM | TRANSLATE;
  }

  private void give(int value, boolean mouse) {
    if (output.size() < MOST) {
      output.add(new Output(value & 0xFF, mouse));
    }
    update();
  }

  private void update() {
    Output first = output.peek();
    boolean full = first != null;
    boolean mouse = full && first.mouse;
    lines.line(1, full && !mouse && (ram[0] & KEYBOARD_INTERRUPT) != 0);
    lines.line(12, full && mouse && (ram[0] & MOUSE_INTERRUPT) != 0);
  }

  /**
   * A key goes down or up; the keyboard keeps it until the controller takes it.
   *
   * @param scanCode its make code of set 1, E0 as 0xE000
   */
  public void key(int scanCode, boolean down) {
    if (keyboardScans) {
      keys.press(scanCode, down);
      takeKeys();
    }
  }

  /** Takes what the keyboard has, a byte at a time, while its clock is not held. */
  private void takeKeys() {
    while (output.isEmpty() && (ram[0] & KEYBOARD_DISABLED) == 0) {
      int b = (ram[0] & TRANSLATE) != 0 ? keys.translated() : keys.next();
      if (b < 0) {
        return;
      }
      give(b, false);
    }
  }

  @Override
  public int read(int port, int bytes) {
    Output first = output.peek();
    if (port == 0x64) {
      return (first == null ? 0 : OUTPUT_FULL | (first.mouse ? FROM_MOUSE : 0))
          | (ram[0] & SYSTEM)
          | (wasCommand ? COMMAND : 0)
          | UNLOCKED;
    }
    if (first == null) {
      return 0;
    }
    output.poll();
    // An edge for each byte.
    lines.line(1, false);
    lines.line(12, false);
    update();
    takeKeys();
    return first.value;
  }

  @Override
  public void write(int port, int bytes, int value) {
    int v = value & 0xFF;
    wasCommand = port == 0x64;
    if (port == 0x64) {
      command(v);
    } else if (pending != 0) {
      int c = pending;
      pending = 0;
      argument(c, v);
    } else {
      ram[0] &= ~KEYBOARD_DISABLED;
      keyboard(v);
    }
    takeKeys();
  }

  private void command(int v) {
    pending = 0;
    if (v >= 0x20 && v < 0x40) {
      give(ram[v & 31], false);
      return;
    }
    if (v >= 0xF0) {
      if ((v & 1) == 0) {
        reset.run();
      }
      return;
    }
    switch (v) {
      case 0xA7 -> ram[0] |= MOUSE_DISABLED;
      case 0xA8 -> ram[0] &= ~MOUSE_DISABLED;
      case 0xA9, 0xAB -> give(0, false);
      case 0xAA -> {
        output.clear();
        ram[0] |= SYSTEM;
        give(0x55, false);
      }
      case 0xAD -> ram[0] |= KEYBOARD_DISABLED;
      case 0xAE -> ram[0] &= ~KEYBOARD_DISABLED;
      case 0xC0 -> give(0x80, false);
      case 0xD0 -> give(outputPort | (output.isEmpty() ? 0 : 0x10), false);
      case 0xD1, 0xD2, 0xD3, 0xD4 -> pending = v;
      // Address line 20 is never held low here; the port says what software asked for.
      case 0xDD -> outputPort &= ~2;
      case 0xDF -> outputPort |= 2;
      default -> {
        if (v >= 0x60 && v < 0x80) {
          pending = v;
        }
        // what is not known is ignored
      }
    }
  }

  private void argument(int command, int v) {
    switch (command) {
      case 0xD1 -> {
        outputPort = v;
        if ((v & 1) == 0) {
          reset.run();
        }
      }
      case 0xD2 -> give(v, false);
      case 0xD3 -> give(v, true);
      case 0xD4 -> mouse(v);
      default -> {
        ram[command & 31] = (byte) v;
        update();
      }
    }
  }

  private void keyboard(int v) {
    if (keyboardPending != 0) {
      int c = keyboardPending;
      keyboardPending = 0;
      if (c == 0xF0 && v > 2) {
        // Nobody uses set 3.
        give(RESEND, false);
        return;
      }
      give(ACKNOWLEDGE, false);
      if (c == 0xF0 && v == 0) {
        // Which scan code set, translated or not.
        give((ram[0] & TRANSLATE) == 0 ? keys.set() : keys.set() == 2 ? 0x41 : 0x43, false);
      } else if (c == 0xF0) {
        keys.choose(v);
        keys.clear();
      }
      return;
    }
    switch (v) {
      case 0xFF -> {
        keyboardScans = true;
        keys.choose(2);
        keys.clear();
        give(ACKNOWLEDGE, false);
        give(TEST_PASSED, false);
      }
      case 0xF2 -> {
        give(ACKNOWLEDGE, false);
        give(0xAB, false);
        give((ram[0] & TRANSLATE) != 0 ? 0x41 : 0x83, false);
      }
      case 0xED, 0xF0, 0xF3 -> {
        keyboardPending = v;
        give(ACKNOWLEDGE, false);
      }
      case 0xF4, 0xF5, 0xF6 -> {
        keyboardScans = v != 0xF5;
        keys.clear();
        if (v != 0xF4) {
          keys.choose(2);
        }
        give(ACKNOWLEDGE, false);
      }
      case 0xEE -> give(0xEE, false);
      default -> give(RESEND, false);
    }
  }

  private void mouse(int v) {
    if (mousePending != 0) {
      if (mousePending == 0xF3) {
        mouseRate = v;
      } else {
        mouseResolution = v;
      }
      mousePending = 0;
      give(ACKNOWLEDGE, true);
      return;
    }
    switch (v) {
      case 0xFF -> {
        mouseReports = false;
        mouseRate = 100;
        mouseResolution = 2;
        give(ACKNOWLEDGE, true);
        give(TEST_PASSED, true);
        give(0, true);
      }
      case 0xF2 -> {
        give(ACKNOWLEDGE, true);
        give(0, true);
      }
      case 0xE9 -> {
        give(ACKNOWLEDGE, true);
        give(mouseReports ? 0x20 : 0, true);
        give(mouseResolution, true);
        give(mouseRate, true);
      }
      case 0xEB -> {
        // It has not moved.
        give(ACKNOWLEDGE, true);
        give(8, true);
        give(0, true);
        give(0, true);
      }
      case 0xE8, 0xF3 -> {
        mousePending = v;
        give(ACKNOWLEDGE, true);
      }
      case 0xE6, 0xE7, 0xEA, 0xEC, 0xEE, 0xF0, 0xF4, 0xF5, 0xF6 -> {
        mouseReports = v == 0xF4 || mouseReports && v != 0xF5 && v != 0xF6;
        give(ACKNOWLEDGE, true);
      }
      default -> give(RESEND, true);
    }
  }
}
