/**
 * The HTML report: one file that shows a run and its findings, with no network and no library. What
 * it shows is judged in {@code check}.
 */
@NullMarked
package dev.vesper.machine.observe.html;

import org.jspecify.annotations.NullMarked;
