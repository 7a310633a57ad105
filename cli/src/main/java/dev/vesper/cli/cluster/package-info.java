/**
 * What a campaign on many machines needs before it begins: its own authority, and a certificate for
 * each member. The members themselves are in module {@code campaign}, which the command does
 * without.
 */
@org.jspecify.annotations.NullMarked
package dev.vesper.cli.cluster;
