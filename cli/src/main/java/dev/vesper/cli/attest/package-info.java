/**
 * What {@code vesper attest} knows of attestation reports of SEV-SNP and of the certificates behind
 * them (spec: snp 7.4 to 7.6): {@link dev.vesper.cli.attest.ReportFile} reads a report from
 * whatever it was saved as, {@link dev.vesper.cli.attest.ReportWords} says it in words, {@link
 * dev.vesper.cli.attest.ReportVerifier} judges it by {@link dev.vesper.cli.attest.Certificates} and
 * {@link dev.vesper.cli.attest.Expectations}, a {@link dev.vesper.cli.attest.Check} a question, and
 * {@link dev.vesper.cli.attest.KeyService} serves certificates as AMD does.
 *
 * <p>Reports and certificates are strangers': what cannot be read is an IllegalArgumentException
 * with one line, what does not hold a check that has failed. Nothing here opens a file.
 */
@org.jspecify.annotations.NullMarked
package dev.vesper.cli.attest;
