/**
 * Says who broke the GHCB protocol, or what SEV-SNP asks of guests and hosts: the rules, the
 * reference {@code vctrap}, coverage, and reports of findings. It works on events alone, live or
 * read back; nothing here touches a machine.
 */
@NullMarked
package dev.vesper.machine.observe.check;

import org.jspecify.annotations.NullMarked;
