package dev.vesper.cli.attack;

/** Guests that the matrix of attacks has verdicts of. */
public enum Column {
  LOCORE_ES("locore-es", "locore, SEV-ES", "the embedded reference guest under SEV-ES"),
  LOCORE_SNP("locore-snp", "locore, SEV-SNP", "the embedded reference guest under SEV-SNP"),
  OPENBSD(
      "openbsd",
      "OpenBSD's checks",
      "the reference guest without the checks that OpenBSD's handlers do not have (2026-08), under"
          + " SEV-ES with profile openbsd"),
  LINUX_61(
      "linux-6.1",
      "Linux 6.1",
      "Debian 12's cloud kernel (6.1.192) under SEV-ES, with nokaslr and a first program that gives"
          + " its privileges up and calls getuid"),
  LINUX_612("linux-6.12", "Linux 6.12", "the same with Debian 13's cloud kernel (6.12.117)"),
  OVMF(
      "ovmf",
      "OVMF",
      "Debian 12's OVMF.fd (2022.11) under SEV-ES, at work on its way to the shell");

  /** By which recorded verdicts name it. */
  public final String id;

  /** Its heading. */
  public final String heading;

  /** What it is. */
  public final String words;

  Column(String id, String heading, String words) {
    this.id = id;
    this.heading = heading;
    this.words = words;
  }
}
