package dev.vesper.fuzz;

import org.jspecify.annotations.Nullable;

/** An input that has reached something new, and what is known of it. */
final class Entry {
  final Input input;
  final String name;

  /** How many inputs it is away from the first. */
  final int depth;

  /** Instructions of its execution. */
  final long instructions;

  /** Hash of the edges that it reaches. */
  final int edges;

  /** Whether it is the cheapest that reaches some edge. */
  boolean favored;

  /** How often it was worked on. */
  int rounds;

  /** What its execution has shown, or null until somebody asks. */
  @Nullable Noted noted;

  Entry(Input input, String name, int depth, long instructions, int edges) {
    this.input = input;
    this.name = name;
    this.depth = depth;
    this.instructions = instructions;
    this.edges = edges;
  }

  /** {@return what it costs, as AFL has it: time and size} */
  long cost() {
    return Math.max(1, instructions) * (1 + input.size());
  }
}
