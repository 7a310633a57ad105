package dev.vesper.machine.hostile;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.DescriptorField;
import dev.vesper.machine.host.NestedPaging.Mapping;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads actions of a script's text. */
final class ActionReader {
  private static final int VC = 29;

  private static final Map<String, Mapping> MAPPINGS =
      Map.of(
          "present", Mapping.PRESENT,
          "nx", Mapping.NO_EXECUTE,
          "ro", Mapping.READ_ONLY,
          "ro-nx", Mapping.READ_ONLY_NO_EXECUTE,
          "absent", Mapping.ABSENT,
          "mmio", Mapping.MMIO);

  private static final Map<String, GhcbField> REGISTERS =
      Map.of(
          "eax", GhcbField.RAX, "ebx", GhcbField.RBX, "ecx", GhcbField.RCX, "edx", GhcbField.RDX);

  private ActionReader() {}

  static Action read(ScriptLine line) throws ScriptException {
    Token t = line.peek();
    String word = line.word("an action");
    Mapping mapping = MAPPINGS.get(word);
    if (mapping != null) {
      return new LawfulAction.Permit(ValueReader.place(line, false), mapping);
    }
    Action a = injection(line, word);
    a = a != null ? a : memory(line, word);
    a = a != null ? a : answer(line, word);
    a = a != null ? a : device(line, word);
    a = a != null ? a : processor(line, word);
    a = a != null ? a : course(line, word);
    a = a != null ? a : silicon(line, t, word);
    if (a == null) {
      throw line.error(
          t, "there is no action '" + ValueReader.shortened(word) + "': docs/hostile.md has all");
    }
    return a;
  }

  private static @Nullable Action injection(ScriptLine line, String word) throws ScriptException {
    switch (word) {
      case "inject" -> {
        if (line.skip("vc")) {
          return new LawfulAction.Inject(
              VC, LawfulAction.EventType.EXCEPTION, ValueReader.value(line));
        }
        int vector = (int) line.number("a vector", 0, 255);
        LawfulAction.EventType type = type(line);
        return new LawfulAction.Inject(
            vector, type, line.skip("error") ? ValueReader.value(line) : null);
      }
      case "drop-event" -> {
        return new LawfulAction.DropEvent();
      }
      default -> {
        return null;
      }
    }
  }

  private static LawfulAction.EventType type(ScriptLine line) throws ScriptException {
    for (LawfulAction.EventType e : LawfulAction.EventType.values()) {
      if (line.skip(e.name().toLowerCase(Locale.ROOT))) {
        return e;
      }
    }
    throw line.expected("interrupt, nmi, exception or software");
  }

  private static @Nullable Action memory(ScriptLine line, String word) throws ScriptException {
    switch (word) {
      case "map" -> {
        HostValue gpa = ValueReader.value(line);
        line.require("to");
        return new LawfulAction.MapTo(gpa, ValueReader.value(line));
      }
      case "swap" -> {
        HostValue one = ValueReader.value(line);
        line.require("with");
        return new LawfulAction.Swap(one, ValueReader.value(line));
      }
      case "capture" -> {
        String name = ValueReader.name(line, "a name");
        line.require("from");
        HostValue gpa = ValueReader.value(line);
        return new LawfulAction.Capture(name, gpa, length(line));
      }
      case "replay" -> {
        String name = ValueReader.name(line, "a name");
        line.require("to");
        return new LawfulAction.Replay(name, ValueReader.value(line));
      }
      case "write-ct" -> {
        HostValue gpa = ValueReader.value(line);
        line.require("=");
        return new LawfulAction.WriteCiphertext(gpa, line.hex());
      }
      case "poke" -> {
        int width = ValueReader.width(line);
        line.require("[");
        HostValue gpa = ValueReader.value(line);
        line.require("]");
        line.require("=");
        return new LawfulAction.PokeShared(gpa, width, ValueReader.value(line));
      }
      case "take" -> {
        return new LawfulAction.Assign(ValueReader.value(line), null);
      }
      case "assign" -> {
        HostValue page = ValueReader.value(line);
        line.require("as");
        return new LawfulAction.Assign(page, ValueReader.value(line));
      }
      default -> {
        return null;
      }
    }
  }

  private static int length(ScriptLine line) throws ScriptException {
    return line.skip("length") ? (int) line.number("a length", 1, LawfulAction.Capture.MOST) : 4096;
  }

  private static @Nullable Action answer(ScriptLine line, String word) throws ScriptException {
    switch (word) {
      case "answer", "put" -> {
        GhcbField f = ValueReader.field(line);
        line.require("=");
        return new LawfulAction.AnswerField(f, ValueReader.value(line), word.equals("answer"));
      }
      case "invalid" -> {
        return new LawfulAction.AnswerInvalid(ValueReader.field(line));
      }
      case "unanswered" -> {
        return new LawfulAction.Unanswered();
      }
      case "msr-answer" -> {
        return new LawfulAction.MsrAnswer(ValueReader.value(line));
      }
      case "cpuid" -> {
        return cpuid(line);
      }
      case "tsc" -> {
        if (line.skip("hold")) {
          return new LawfulAction.Tsc(LawfulAction.TscChange.HOLD, 0);
        }
        if (line.skip("scale")) {
          return new LawfulAction.Tsc(
              LawfulAction.TscChange.SCALE, line.number("thousandths", 0, 1_000_000));
        }
        line.require("offset");
        return new LawfulAction.Tsc(LawfulAction.TscChange.OFFSET, line.signed("an offset"));
      }
      default -> {
        return null;
      }
    }
  }

  private static Action cpuid(ScriptLine line) throws ScriptException {
    int leaf = (int) line.number("a leaf", 0, 0xFFFF_FFFFL);
    int subleaf = line.skip(":") ? (int) line.number("a subleaf", 0, Integer.MAX_VALUE) : -1;
    Map<GhcbField, HostValue> registers = new LinkedHashMap<>();
    do {
      GhcbField f = REGISTERS.get(line.peek().text());
      if (f == null) {
        throw line.expected("eax, ebx, ecx or edx");
      }
      line.next();
      line.require("=");
      registers.put(f, ValueReader.value(line));
    } while (line.peek().kind() != Token.Kind.END);
    return new LawfulAction.CpuidAnswer(leaf, subleaf, registers);
  }

  private static long times(ScriptLine line) throws ScriptException {
    return line.skip("times") ? line.number("a number", 1, Long.MAX_VALUE) : 1;
  }

  private static @Nullable Action device(ScriptLine line, String word) throws ScriptException {
    switch (word) {
      case "port" -> {
        int port = (int) line.number("a port", 0, 0xFFFF);
        line.require("=");
        return new LawfulAction.PortAnswer(port, ValueReader.value(line));
      }
      case "cmos" -> {
        int index = (int) line.number("a byte", 0, 127);
        line.require("=");
        return new LawfulAction.CmosAnswer(index, ValueReader.value(line));
      }
      case "used" -> {
        for (DescriptorField f : DescriptorField.values()) {
          if (line.skip(f.word())) {
            HostValue value = ValueReader.value(line);
            return new LawfulAction.UsedDescriptor(times(line), f, value);
          }
        }
        HostValue id = line.skip("id") ? ValueReader.value(line) : null;
        HostValue length = line.skip("length") ? ValueReader.value(line) : null;
        return new LawfulAction.UsedElement(times(line), id, length);
      }
      case "device" -> {
        long gpa = line.number("an address");
        line.require("=");
        return new LawfulAction.MmioAnswer(gpa, ValueReader.value(line));
      }
      case "out" -> {
        int port = (int) line.number("a port", 0, 0xFFFF);
        Token t = line.peek();
        int width = ValueReader.width(line);
        if (width == 8) {
          throw line.error(t, "ports have u8, u16 and u32");
        }
        line.require("=");
        return new LawfulAction.PortWrite(port, width, ValueReader.value(line));
      }
      case "fw-cfg" -> {
        String name = line.string("a file's name");
        int at = line.skip("at") ? (int) line.number("an offset", 0, LawfulAction.Capture.MOST) : 0;
        line.require("=");
        return new LawfulAction.FwCfgFile(name, at, line.hex());
      }
      default -> {
        return null;
      }
    }
  }

  private static @Nullable Action processor(ScriptLine line, String word) throws ScriptException {
    switch (word) {
      case "sipi" -> {
        int vcpu = (int) line.number("a vCPU", 0, 4095);
        return new LawfulAction.Sipi(
            vcpu, line.skip("vector") ? (int) line.number("a vector", 0, 255) : 0);
      }
      case "skip-wake" -> {
        int vcpu = (int) line.number("a vCPU", 0, 4095);
        return new LawfulAction.SkipWake(
            vcpu, line.skip("times") ? (int) line.number("a number", 1, Integer.MAX_VALUE) : 1);
      }
      case "run-twice" -> {
        return new LawfulAction.RunTwice();
      }
      default -> {
        return null;
      }
    }
  }

  private static @Nullable Action course(ScriptLine line, String word) throws ScriptException {
    switch (word) {
      case "delay" -> {
        return new LawfulAction.Delay(ValueReader.nanos(line, LawfulAction.Delay.MOST));
      }
      case "let" -> {
        String name = ValueReader.name(line, "a name");
        line.require("=");
        return new LawfulAction.Let(name, ValueReader.value(line));
      }
      case "goto" -> {
        return new LawfulAction.Goto(ValueReader.name(line, "a state"));
      }
      case "end" -> {
        return new LawfulAction.End(line.string("a reason"));
      }
      case "note" -> {
        String name = ValueReader.name(line, "a name");
        line.require("=");
        return new Action.Note(name, observed(line));
      }
      default -> {
        return null;
      }
    }
  }

  private static Value observed(ScriptLine line) throws ScriptException {
    Token t = line.peek();
    if (line.skip("reg")) {
      String name = line.word("a register");
      return ValueReader.made(line, t, () -> new Value.Register(name));
    }
    if (line.skip("plain")) {
      int width = ValueReader.width(line);
      line.require("[");
      Place p = ValueReader.place(line, false);
      line.require("]");
      return new Value.Plaintext(p, width);
    }
    return ValueReader.value(line);
  }

  private static @Nullable Action silicon(ScriptLine line, Token t, String word)
      throws ScriptException {
    switch (word) {
      case "write-back" -> {
        String name = ValueReader.name(line, "a name");
        Place p = ValueReader.place(line, false);
        return new SiliconAction.WriteBack(name, p, length(line));
      }
      case "drop-stores" -> {
        return new SiliconAction.DropStores(ValueReader.name(line, "a name"));
      }
      case "move-rsp" -> {
        long by = line.signed("a number of bytes");
        return new SiliconAction.MoveRsp(
            by, line.skip("for") ? line.number("instructions", 1, Long.MAX_VALUE / 2) : 0);
      }
      case "keep-tlb" -> {
        return new SiliconAction.KeepTlb(true);
      }
      case "flush-tlb" -> {
        return new SiliconAction.KeepTlb(false);
      }
      case "rdrand" -> {
        line.require("=");
        return new SiliconAction.ConstantRandom(ValueReader.value(line));
      }
      case "alias" -> {
        long page = line.number("an address");
        line.require("at");
        return new SiliconAction.AliasFrames(page, line.number("an address"));
      }
      case "rmp" -> {
        long page = line.number("an address");
        line.require("as");
        return new SiliconAction.RmpEntry(page, line.number("an address"));
      }
      case "set" -> {
        String name = line.word("a register");
        if (Watcher.REGISTERS.indexOf(name) < 0 || Watcher.REGISTERS.indexOf(name) > 16) {
          throw line.error(
              t, "rax to r15 and rip can be set, not '" + ValueReader.shortened(name) + "'");
        }
        line.require("=");
        return new SiliconAction.SetRegister(name, ValueReader.value(line));
      }
      default -> {
        return null;
      }
    }
  }
}
