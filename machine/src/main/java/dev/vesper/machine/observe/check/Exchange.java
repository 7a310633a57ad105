package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.observe.Event;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.Map;

/**
 * One VMGEXIT with its answer, read from an event of kind {@code ghcb} or {@code msr_protocol}.
 *
 * @param byMsr the MSR protocol was used: there are only {@code requestMsr} and {@code responseMsr}
 * @param code SW_EXITCODE
 * @param request fields marked valid by the guest
 * @param unmarked fields that hold something without being marked
 * @param answer fields marked valid by the hypervisor
 * @param answerUnmarked fields that hold something afterwards without being marked
 * @param buffer the request's part of the scratch area
 * @param answerBuffer the same part afterwards
 */
record Exchange(
    boolean byMsr,
    int code,
    long requestMsr,
    long responseMsr,
    Map<GhcbField, Long> request,
    Map<GhcbField, Long> unmarked,
    Map<GhcbField, Long> answer,
    Map<GhcbField, Long> answerUnmarked,
    byte[] buffer,
    byte[] answerBuffer) {

  static Exchange of(Event e) {
    boolean byMsr = e.kind().equals("msr_protocol");
    Map<GhcbField, Long> request = fields(e.text("request"));
    Map<GhcbField, Long> unmarked = fields(e.text("request_unmarked"));
    Long code = request.getOrDefault(GhcbField.SW_EXITCODE, unmarked.get(GhcbField.SW_EXITCODE));
    return new Exchange(
        byMsr,
        code == null ? 0 : code.intValue(),
        e.number("request_msr"),
        e.number("response_msr"),
        request,
        unmarked,
        fields(e.text("answer")),
        fields(e.text("answer_unmarked")),
        bytes(e.text("buffer")),
        bytes(e.text("answer_buffer")));
  }

  /** {@return the fields of a text such as {@code RAX=0x1 RCX=0x2}} */
  static Map<GhcbField, Long> fields(String text) {
    Map<GhcbField, Long> m = new EnumMap<>(GhcbField.class);
    for (String t : text.split(" ")) {
      int at = t.indexOf('=');
      if (at > 0) {
        for (GhcbField f : GhcbField.values()) {
          if (f.name().contentEquals(t.subSequence(0, at))) {
            m.put(f, Event.parse(t.substring(at + 1)));
          }
        }
      }
    }
    return m;
  }

  static byte[] bytes(String hex) {
    try {
      return HexFormat.of().parseHex(hex);
    } catch (IllegalArgumentException e) {
      return new byte[0];
    }
  }

  /** {@return a field of the request as the page holds it, marked or not} */
  long asked(GhcbField f) {
    Long v = request.get(f);
    return v != null ? v : unmarked.getOrDefault(f, 0L);
  }

  /** {@return a field of the answer as the page holds it, marked or not} */
  long answered(GhcbField f) {
    Long v = answer.get(f);
    return v != null ? v : answerUnmarked.getOrDefault(f, 0L);
  }

  /** {@return the low half of SW_EXITINFO1 of the answer} */
  int status() {
    return (int) answered(GhcbField.SW_EXITINFO1);
  }

  /** {@return the CPUID function of an MSR-protocol request, or -1} */
  long cpuidLeaf() {
    return byMsr && MsrRequest.info(requestMsr) == MsrRequest.CPUID_REQ ? requestMsr >>> 32 : -1;
  }
}
