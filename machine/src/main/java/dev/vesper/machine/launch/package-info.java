/**
 * What a guest's owner and the secure processor agree on: policy, features, certificates, session
 * keys, measurement and secrets (spec: launch). Both sides use it, so it holds no state of either;
 * it knows no memory and no processor. Below it is {@code asn1} alone, which certificates are
 * written with.
 */
@NullMarked
package dev.vesper.machine.launch;

import org.jspecify.annotations.NullMarked;
