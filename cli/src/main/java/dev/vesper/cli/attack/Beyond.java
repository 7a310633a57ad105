package dev.vesper.cli.attack;

import java.util.List;

/** Attacks that are known and that nothing here carries out, with the reason. */
final class Beyond {
  private static final String TWO =
      "it takes a program of the attacker's in the guest; no script of it is here";
  private static final String OTHER_GUEST = "there is one guest in a machine";
  private static final String FIRMWARE = "the machine's firmware has no such fault to be turned on";

  private Beyond() {}

  static List<Attack> all() {
    return List.of(
        lawful(
            "vc-decode-race",
            "a program changes its instruction between intercept and decoding",
            "CVE-2023-46813",
            TWO),
        lawful(
            "db-loss",
            "the delivery of #DB is interrupted by a nested page fault, and #DB is not injected"
                + " again",
            "CVE-2023-20573",
            "no guest here steps itself by TF"),
        lawful(
            "badaml",
            "AML of the host's writes to private memory",
            "BadAML, CCS 2025",
            "no table with such AML is here; 'fw-cfg' of a hostile script replaces tables"),
        lawful(
            "unprotected-io",
            "bounce buffers are read and replaced",
            "Li et al., USENIX Security 2019",
            "buffers are shared by design: guests encrypt disks and networks themselves"),
        lawful(
            "option-rom",
            "firmware runs code from a device of the host's",
            "edk2 9183",
            "no image of an option ROM is here"),
        lawful(
            "severity",
            "code that came by network or disk is mapped where the kernel's was",
            "SEVerity, WOOT 2021, CVE-2020-12967",
            "page-map does the same with other pages"),
        lawful(
            "crossline",
            "another guest's ASID is used for a moment",
            "CrossLine, CCS 2020",
            OTHER_GUEST),
        lawful(
            "ciphertext-channel",
            "equal blocks of ciphertext tell of equal values",
            "CipherLeaks, CVE-2020-12966; CVE-2021-46744",
            "it changes nothing in a guest; the host's view of memory has the blocks"),
        lawful(
            "ap-early",
            "a second processor is started early, twice or never",
            "edk2 10873; GHCB standard, AP reset hold",
            "'sipi' and 'skip-wake' of a hostile script do it; none is judged here"),
        lawful(
            "guest-request-replay",
            "answers of the secure processor are dropped, so that a sequence number is used twice",
            "Linux 47894e0fa6a5",
            "the reference guest's requests are each made once"),
        lawful(
            "vmpl-confusion",
            "events are injected at another privilege level than they are for",
            "COCONUT-SVSM c225be2b and its like",
            "no attack on a service module is here"),
        lawful(
            "attestation-relay",
            "a report of another machine is handed in",
            "CVE-2026-33697, CVE-2026-100835",
            "it is about verifiers: 'vesper attest verify'"),
        silicon(
            "tlb-poisoning",
            "translations of another processor are not flushed",
            "CVE-2021-26340",
            "'tlb-keep' of a hostile script does it; no guest here depends on a flush alone"),
        silicon(
            "rdrand-constant",
            "RDRAND always gives the same number",
            "EntrySign, GHSA-4xq7-4mgh-gp6w",
            FIRMWARE),
        silicon(
            "pvalidate-stale-lines",
            "stale lines of the cache overwrite a page that was validated",
            "CVE-2024-36331, CVE-2025-38560",
            FIRMWARE),
        silicon(
            "staleus",
            "the secure processor reads memory as it was",
            "CVE-2025-54509, CVE-2025-61971",
            FIRMWARE),
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
