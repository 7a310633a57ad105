package dev.vesper.cli.attest;

import dev.vesper.machine.launch.ReportField;

/** Fields of a report that an owner may know beforehand, byte for byte. */
public enum ExpectedField {
  MEASUREMENT(
      "measurement",
      "--measurement",
      ReportField.MEASUREMENT,
      "the guest was launched from something else; 'vesper measure --explain' shows what enters"),
  HOST_DATA(
      "host data",
      "--host-data",
      ReportField.HOST_DATA,
      "the host has launched it with something else"),
  REPORT_DATA(
      "report data",
      "--report-data",
      ReportField.REPORT_DATA,
      "the report answers another request, or an old one"),
  ID_KEY(
      "ID key digest",
      "--id-key-digest",
      ReportField.ID_KEY_DIGEST,
      "another key has signed the ID block, or none"),
  AUTHOR_KEY(
      "author key digest",
      "--author-key-digest",
      ReportField.AUTHOR_KEY_DIGEST,
      "another key has signed the ID key, or none"),
  FAMILY_ID(
      "family ID",
      "--familyid",
      ReportField.FAMILY_ID,
      "the ID block is another, or there is none"),
  IMAGE_ID(
      "image ID", "--imageid", ReportField.IMAGE_ID, "the ID block is another, or there is none");

  private final String text;
  private final String option;
  private final ReportField field;
  private final String otherwise;

  ExpectedField(String text, String option, ReportField field, String otherwise) {
    this.text = text;
    this.option = option;
    this.field = field;
    this.otherwise = otherwise;
  }

  /** {@return its name for people} */
  public String text() {
    return text;
  }

  /** {@return the option that says what it must be} */
  public String option() {
    return option;
  }

  /** {@return the field} */
  public ReportField field() {
    return field;
  }

  /** {@return what has happened if it is something else} */
  String otherwise() {
    return otherwise;
  }
}
