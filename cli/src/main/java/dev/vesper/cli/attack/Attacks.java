package dev.vesper.cli.attack;

import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** All attacks, in the order in which they are listed. */
public final class Attacks {
  private static final List<Attack> ALL =
      Stream.of(
              CpuidLies.all(),
              MsrLies.all(),
              PageLies.all(),
              Injections.all(),
              RootByWesee.all(),
              List.of(ShellByWesee.attack()),
              Interrupts.all(),
              Tampering.all(),
              Others.all(),
              UsedRing.all(),
              GuestRequests.all(),
              SecondProcessor.all(),
              Onlookers.all(),
              Disturbances.all(),
              UserDevice.all(),
              LostStep.all(),
              BadAml.all(),
              BrokenMachines.all(),
              Beyond.all())
          .flatMap(List::stream)
          .toList();

  private Attacks() {}

  /** {@return all of them} */
  public static List<Attack> all() {
    return ALL;
  }

  /** {@return the attack of a name, or null if there is none} */
  public static @Nullable Attack named(String name) {
    return ALL.stream().filter(a -> a.name().equals(name)).findFirst().orElse(null);
  }
}
