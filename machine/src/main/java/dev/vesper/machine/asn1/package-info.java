/**
 * ASN.1 in DER, as far as certificates are made of it. It writes and does not read: certificates of
 * others are the JDK's to take apart. It uses nothing else of the machine.
 */
@NullMarked
package dev.vesper.machine.asn1;

import org.jspecify.annotations.NullMarked;
