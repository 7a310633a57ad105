package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.DebianSuite;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The names that kernels of several releases carry are those of their System.map, with KASLR and
 * without: bullseye has 5.10, bookworm 6.1, trixie 6.12 and sid a current one. The maps lie in
 * packages of hundreds of megabytes, so only a long run asks for them; KallsymsTest has each
 * kernel's order of tables.
 */
@Tag("slow")
@EnabledIfSystemProperty(named = "long", matches = "true")
@Timeout(value = 45, unit = java.util.concurrent.TimeUnit.MINUTES)
final class KernelNamesTest {
  /** Unpacking takes most of them. */
  private static final long INSTRUCTIONS = 2_000_000_000L;

  /** Events after which a kernel has been seen enough. */
  private static final int ENOUGH = 3000;

  /** Ends a run from within. */
  private static final class Seen extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private static final long ALIGNMENT = 1 << 21;

  /** A place in the trace: its address, and the name without the offset. */
  private record Place(long rip, String name, long offset) {
    static Place of(At at) {
      String[] part = at.symbol().split("\\+0x");
      long offset = part.length > 1 ? Long.parseUnsignedLong(part[1], 16) : 0;
      return new Place(at.rip(), part[0], offset);
    }
  }

  private static Set<Place> places(DebianSuite suite, String option) throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, suite.kernel(), b -> {})
                .append("console=ttyS0 earlyprintk=ttyS0 " + option)
                .initrd(new byte[0])
                .build());
    Set<Place> seen = new HashSet<>();
    List<String> bare = new ArrayList<>();
    AtomicInteger events = new AtomicInteger();
    m.trace(
        e -> {
          At at = e.at();
          boolean counts = e instanceof Event.VcRaised || e instanceof Event.GhcbExchange;
          if (!counts || at.rip() >= 0) {
            return;
          }
          if (at.symbol().isEmpty()) {
            bare.add(Long.toHexString(at.rip()));
          } else {
            seen.add(Place.of(at));
          }
          if (events.incrementAndGet() > ENOUGH) {
            throw new Seen();
          }
        },
        false);
    m.limit(INSTRUCTIONS, Long.MAX_VALUE);
    assertThatThrownBy(m::run).isInstanceOf(Seen.class);
    assertThat(bare).as("kernel addresses without a name").isEmpty();
    return seen;
  }

  @ParameterizedTest
  @CsvSource({
    "bullseye, nokaslr",
    "bullseye, kaslr",
    "bookworm, nokaslr",
    "bookworm, kaslr",
    "trixie, nokaslr",
    "trixie, kaslr",
    "sid, nokaslr",
    "sid, kaslr"
  })
  void namesAreThoseOfTheSystemMap(String name, String option) throws Exception {
    DebianSuite suite = DebianSuite.of(name);
    Map<String, Set<Long>> map = new HashMap<>();
    TreeSet<Long> addresses = new TreeSet<>(Long::compareUnsigned);
    for (String line : suite.systemMap()) {
      String[] part = line.split(" ");
      long address = Long.parseUnsignedLong(part[0], 16);
      map.computeIfAbsent(part[2], k -> new HashSet<>()).add(address);
      addresses.add(address);
    }
    Set<Place> places = places(suite, option);
    assertThat(places.stream().map(Place::name).distinct().toList()).hasSizeGreaterThan(5);
    // One distance fits all names: how far KASLR has moved the kernel.
    Set<Long> slides = new HashSet<>();
    boolean first = true;
    for (Place p : places) {
      Set<Long> own = new HashSet<>();
      for (long linked : map.getOrDefault(p.name(), Set.of())) {
        Long next = addresses.higher(linked);
        if (next == null || Long.compareUnsigned(p.offset(), next - linked) < 0) {
          own.add(p.rip() - p.offset() - linked);
        }
      }
      assertThat(own).as("%s is in the map and reaches that far", p).isNotEmpty();
      if (first) {
        slides.addAll(own);
      } else {
        slides.retainAll(own);
      }
      first = false;
    }
    assertThat(slides).hasSize(1);
    long slide = slides.iterator().next();
    assertThat(slide % ALIGNMENT).isZero();
    assertThat(slide == 0).isEqualTo(option.equals("nokaslr"));
  }
}
