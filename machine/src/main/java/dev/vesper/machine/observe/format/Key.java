package dev.vesper.machine.observe.format;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The details of events by the names that they have in files. */
public enum Key {
  POLICY,
  DIGEST,
  MEASUREMENT,
  NONCE,
  ERROR_CODE,
  VC,
  VC_RIP,
  RFLAGS,
  SPENT,
  REGS,
  BYTES,
  OPERAND,
  SOURCE,
  DEST,
  PORTS_ALLOWED,
  MEMORY,
  XCR0,
  GHCB_OPEN,
  NESTED_IN,
  GHCB_CHANGED,
  GHCB,
  MSR,
  PAGE_STATE,
  MAPPING,
  REQUEST,
  REQUEST_VALID,
  REQUEST_UNMARKED,
  VERSION,
  USAGE,
  RESERVED,
  ANSWER,
  ANSWER_VALID,
  ANSWER_UNMARKED,
  CHANGED,
  ACTION,
  SCRATCH_STATE,
  BUFFER,
  ANSWER_BUFFER,
  ENDED,
  REQUEST_MSR,
  RESPONSE_MSR,
  RESPONSE,
  INFO1,
  INFO2,
  EVENTINJ,
  TYPE,
  GPA,
  FROM,
  TO,
  BY,
  ADDRESS,
  GVA,
  SIZE,
  COUNT,
  EAX,
  CF,
  VMPL,
  PERMISSIONS,
  VMSA,
  WHAT,
  PAGES,
  BEFORE,
  AFTER,
  FIRST,
  LAST,
  ENCRYPTED,
  STATE,
  AREA,
  FEATURES,
  WHY,
  CALL,
  RCX,
  RDX,
  R8,
  R9,
  PENDING,
  ENTRIES,
  NEXT,
  RESULT,
  OUT_RCX,
  OUT_RDX,
  OUT_R8,
  LEFT,
  STARTED,
  HOW,
  EXCHANGE,
  RULE,
  LINE,
  HOST,
  AIDED,
  TRIGGER,
  TEXT,
  STATUS,
  REASON,
  ACCESSES;

  private static final Map<String, Key> BY_NAME = new HashMap<>();

  static {
    for (Key k : values()) {
      BY_NAME.put(k.text, k);
    }
  }

  /** The name in files. */
  public final String text = name().toLowerCase(Locale.ROOT);

  /** What is before a value in JSON: the comma behind the member before, and the name. */
  final byte[] member = (",\"" + text + "\":").getBytes(StandardCharsets.US_ASCII);

  /** {@return whether only the checker reads it: forms for people leave it to JSON Lines} */
  boolean forMachines() {
    return switch (this) {
      case ACCESSES, REGS, BYTES, REQUEST_VALID, ANSWER_VALID, ANSWER_UNMARKED, CHANGED -> true;
      default -> false;
    };
  }

  /** {@return the key of a name, or null} */
  static @Nullable Key of(String name) {
    return BY_NAME.get(name);
  }

  @Override
  public String toString() {
    return text;
  }
}
