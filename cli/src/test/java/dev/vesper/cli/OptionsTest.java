package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class OptionsTest {
  /** Notes what is set, in the order of the options. */
  private static final class Noted implements Options.Command {
    private String text = "";
    private List<String> texts = List.of();
    private List<Path> paths = List.of();
    private int integer;
    private long number;
    private double fraction;
    private boolean flag;
    private Path image = Path.of("none");

    @Override
    public Options options() {
      Options o = new Options("Notes.");
      o.positional("IMAGE", "image", v -> image = v);
      o.text("S", "text", v -> text = v, "-append", "--append");
      o.texts("S", "texts", v -> texts = v, "--name");
      o.paths("F", "paths", v -> paths = v, "--trace");
      o.integer("N", "integer", v -> integer = v, "-smp");
      o.number("N", "number", v -> number = v, "--seed");
      o.fraction("N", "fraction", v -> fraction = v, "--timeout");
      o.flag("flag", () -> flag = true, "-v");
      return o;
    }

    @Override
    public Integer call() {
      return 0;
    }

    String all() {
      return String.join(
          "|",
          List.of(
              text,
              texts.toString(),
              paths.toString(),
              integer + " " + number + " " + fraction + " " + flag,
              image.toString()));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "-append;console=ttyS0 quiet;vmlinuz",
        "--append=a=b,c;-v",
        "--name;a,b;--name=c;--trace=x.jsonl,y.html;--trace;z.txt",
        "vmlinuz;-smp;4;--seed;0x10;--timeout;1.5",
        "--seed;-5",
        "-smp=3;a file",
      })
  void whatIsPlainMeansWhatPicocliMakesOfIt(String line) {
    List<String> args = line.isEmpty() ? List.of() : List.of(line.split(";"));
    Noted byPicocli = new Noted();
    Options options = byPicocli.options();
    CommandLine c = new CommandLine(options.model("noted", byPicocli));
    assertThat(c.execute(args.toArray(new String[0]))).isZero();

    Noted plain = new Noted();
    if (line.contains(";-5") || line.contains("=-")) {
      // A value that looks like an option is picocli's to judge.
      assertThat(plain.options().readPlain(args)).isFalse();
      assertThat(byPicocli.number == -5 || byPicocli.text.equals("-x")).isTrue();
    } else {
      assertThat(plain.options().readPlain(args)).isTrue();
      assertThat(plain.all()).isEqualTo(byPicocli.all());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--help",
        "-x",
        "-append",
        "-v=1",
        "-smp;four",
        "--seed;1;--seed;2",
        "a;b",
        "@file",
        "-smp=",
        "--timeout;soon",
        "-append;-v",
        "--append=-smp"
      })
  void whatIsNotPlainSetsNothing(String line) {
    Noted n = new Noted();
    List<String> args = new ArrayList<>(List.of("-v"));
    args.addAll(List.of(line.split(";")));

    assertThat(n.options().readPlain(args)).isFalse();
    assertThat(n.all()).isEqualTo(new Noted().all());
  }

  @Test
  void theHelpListsEveryOptionInItsPlace() {
    Noted n = new Noted();
    String help = new CommandLine(n.options().model("vesper noted", n)).getUsageMessage();

    assertThat(help).contains("Usage: vesper noted", "[IMAGE]", "-append, --append=S");
    assertThat(help.indexOf("--trace")).isLessThan(help.indexOf("--timeout=N  "));
  }

  @Test
  void aWrongNumberIsNamed() {
    Noted n = new Noted();
    StringBuilder said = new StringBuilder();
    CommandLine c = new CommandLine(n.options().model("noted", n));
    c.setParameterExceptionHandler(
        (e, args) -> {
          said.append(e.getMessage());
          return 2;
        });

    assertThat(c.execute("-smp", "four")).isEqualTo(2);
    assertThat(said).hasToString("Invalid value for option '-smp': 'four' is not a number");
  }
}
