package dev.vesper.cli.monitor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Commands of SEV, member by member as QEMU's schema has them: names, types and optionality of
 * qapi/misc-target.json (7.2) and qapi/misc-i386.json (10.0), where {@code query-sev} is a union by
 * {@code sev-type} since 9.1. Of another form no client for QEMU would take them.
 */
final class QapiSchemaTest {
  /** What is returned: a member and its type, all of which are there always. */
  private static final Map<String, List<String>> RETURNED =
      Map.of(
          "query-sev",
          List.of(
              "enabled:bool",
              "api-major:uint8",
              "api-minor:uint8",
              "build-id:uint8",
              "state:uninit|launch-update|launch-secret|running|send-update|receive-update",
              "sev-type:sev|sev-snp"),
          "query-sev-launch-measure",
          List.of("data:base64"),
          "query-sev-capabilities",
          List.of(
              "pdh:base64",
              "cert-chain:base64",
              "cpu0-id:base64",
              "cbitpos:int",
              "reduced-phys-bits:int"),
          "query-sev-attestation-report",
          List.of("data:base64"));

  /** Members of query-sev by its sev-type. */
  private static final Map<String, List<String>> BY_TYPE =
      Map.of(
          "sev", List.of("policy:uint32", "handle:uint32"),
          "sev-snp", List.of("snp-policy:uint64"));

  /** What is taken; an optional one has a question mark. */
  private static final Map<String, List<String>> TAKEN =
      Map.of(
          "query-sev", List.of(),
          "query-sev-launch-measure", List.of(),
          "query-sev-capabilities", List.of(),
          "query-sev-attestation-report", List.of("mnonce:str"),
          "sev-inject-launch-secret", List.of("packet-header:str", "secret:str", "gpa?:int"));

  private static Map<String, Object> ask(Control c, String name, String arguments)
      throws JsonError {
    QmpMonitor q = new QmpMonitor(c);
    Session s = new Session(c);
    JsonFramer f = new JsonFramer();
    String text =
        "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"%s\",\"arguments\":{%s}}"
            .formatted(name, arguments);
    String last = "";
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      String a = Objects.requireNonNull(q.take(s, f, b & 0xFF, h -> {}, Supplier::get));
      last = a.isEmpty() ? last : a;
    }
    return JsonTree.object(QmpMonitor.parsed(last));
  }

  private static boolean is(String type, Object v) {
    return switch (type) {
      case "bool" -> v instanceof Boolean;
      case "int", "uint64" -> v instanceof Long;
      case "uint8" -> v instanceof Long n && n >>> 8 == 0;
      case "uint32" -> v instanceof Long n && n >>> 32 == 0;
      case "base64" -> v instanceof String t && Base64.getDecoder().decode(t).length > 0;
      default -> v instanceof String t && List.of(type.split("\\|")).contains(t);
    };
  }

  private static void requireForm(String name, Map<String, Object> returned) {
    List<String> wanted = new ArrayList<>(RETURNED.getOrDefault(name, List.of()));
    wanted.addAll(BY_TYPE.getOrDefault(String.valueOf(returned.get("sev-type")), List.of()));
    List<String> names = new ArrayList<>();
    for (String member : wanted) {
      String of = member.substring(0, member.indexOf(':'));
      names.add(of);
      assertThat(returned).as(name).containsKey(of);
      assertThat(is(member.substring(of.length() + 1), Objects.requireNonNull(returned.get(of))))
          .as("%s: %s is %s", name, member, returned.get(of))
          .isTrue();
    }
    assertThat(returned.keySet()).as(name).containsExactlyInAnyOrderElementsOf(names);
  }

  @Test
  void commandsTakeWhatTheSchemaHas() {
    TAKEN.forEach(
        (name, parameters) -> {
          QmpCommand c = Objects.requireNonNull(QmpCommands.find(name));
          assertThat(
                  c.parameters().stream()
                      .map(p -> p.name() + (p.optional() ? "?" : "") + ":" + p.type()))
              .as(name)
              .containsExactlyElementsOf(parameters);
        });
  }

  @ParameterizedTest
  @EnumSource(SevMode.class)
  void answersHaveTheMembersOfTheSchema(SevMode mode) throws Exception {
    try (Machine m =
        new Machine(
            MachineSpec.builder(mode, FlatGuest.image("L: jmp L"), b -> {})
                .memoryBytes(16 << 20)
                .build())) {
      Control c = Control.of(m);
      requireForm("query-sev", returned(c, "query-sev", ""));
      m.run(Until.instructions(10));
      requireForm("query-sev", returned(c, "query-sev", ""));
      String nonce = "\"mnonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\"";
      if (mode == SevMode.OFF) {
        requireError(ask(c, "query-sev-capabilities", ""));
        requireError(ask(c, "query-sev-launch-measure", ""));
        requireError(ask(c, "query-sev-attestation-report", nonce));
        return;
      }
      requireForm("query-sev-capabilities", returned(c, "query-sev-capabilities", ""));
      if (mode == SevMode.SNP) {
        requireError(ask(c, "query-sev-attestation-report", nonce));
        return;
      }
      requireForm("query-sev-launch-measure", returned(c, "query-sev-launch-measure", ""));
      requireForm(
          "query-sev-attestation-report", returned(c, "query-sev-attestation-report", nonce));
      requireError(
          ask(c, "sev-inject-launch-secret", "\"packet-header\":\"AA==\",\"secret\":\"AA==\""));
    }
  }

  private static Map<String, Object> returned(Control c, String name, String arguments)
      throws JsonError {
    Map<String, Object> answer = ask(c, name, arguments);
    assertThat(answer).as(name).containsKey("return");
    return JsonTree.object(answer.get("return"));
  }

  /** Of errors each has a class and a description. */
  private static void requireError(Map<String, Object> answer) {
    assertThat(answer).containsOnlyKeys("error");
    assertThat(JsonTree.object(answer.get("error"))).containsOnlyKeys("class", "desc");
  }
}
