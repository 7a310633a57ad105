/**
 * Published attacks of hosts against confidential guests, each with what it needs, how it is
 * carried out and what proves that it has worked: bytes, registers, exchanges and where code goes
 * on, never what a console says. They use a machine as any program of its face does; a host's part
 * of them has what a host has, and proofs have what an observer sees. No command line lives here.
 */
@NullMarked
package dev.vesper.cli.attack;

import org.jspecify.annotations.NullMarked;
