/**
 * What {@code vesper boot} makes a guest of: a kernel that is found or fetched, and an initial RAM
 * disk with a first program of ours. Nothing of the machine lives here; how a guest is run is the
 * command's business.
 */
@NullMarked
package dev.vesper.cli.boot;

import org.jspecify.annotations.NullMarked;
