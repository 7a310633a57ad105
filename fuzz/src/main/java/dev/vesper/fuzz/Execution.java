package dev.vesper.fuzz;

import org.jspecify.annotations.Nullable;

/**
 * What has become of one execution.
 *
 * @param end how it has ended, in a line
 * @param limited whether its instructions were used up
 * @param instructions that were executed
 * @param edges bits of buckets for each edge; valid until the next execution
 * @param finding what an oracle has found, or null
 */
record Execution(
    String end, boolean limited, long instructions, byte[] edges, @Nullable Finding finding) {}
