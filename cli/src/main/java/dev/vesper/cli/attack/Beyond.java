package dev.vesper.cli.attack;

import java.util.List;

/** Attacks that are known and that nothing here carries out, with the reason. */
final class Beyond {
  private static final String OTHER_GUEST = "there is one guest in a machine";
  private static final String FIRMWARE =
      "the guest's context is kept by the machine's firmware, in no memory that a command writes"
          + " to";

  private Beyond() {}

  static List<Attack> all() {
    return List.of(
        lawful(
            "option-rom",
            "firmware runs code from a device of the host's",
            "edk2 9183",
            "no device of the machine's boards has an option ROM"),
        lawful(
            "vmpl-confusion",
            "events are injected at another privilege level than they are for",
            "COCONUT-SVSM c225be2b and its like",
            "guests of this matrix run at one privilege level"),
        lawful(
            "attestation-relay",
            "a report of another machine is handed in",
            "CVE-2026-33697, CVE-2026-100835",
            "it is about verifiers and not about a guest"),
        silicon(
            "pvalidate-stale-lines",
            "stale lines of the cache overwrite a page that was validated",
            "CVE-2024-36331, CVE-2025-38560",
            "the machine has no caches whose lines could be stale"),
        silicon(
            "staleus",
            "the secure processor reads memory as it was",
            "CVE-2025-54509, CVE-2025-61971",
            "the machine has one memory, which processors and firmware see alike"),
        silicon(
            "firmware-context",
            "commands of the secure processor corrupt a guest's context page",
            "CVE-2024-21978, CVE-2024-21980, CVE-2023-31355, CVE-2023-31346",
            FIRMWARE),
        silicon(
            "es-beside-snp",
            "an SEV-ES guest of the attacker's attacks SEV-SNP guests beside it",
            "CVE-2025-48514",
            OTHER_GUEST));
  }

  private static Attack lawful(String name, String title, String source, String why) {
    return Attack.beyond(name, title, source, Power.LAWFUL_HOST, why);
  }

  private static Attack silicon(String name, String title, String source, String why) {
    return Attack.beyond(name, title, source, Power.BROKEN_SILICON, why);
  }
}
