"""gdb's commands for guests of Vesper: vc-list, ghcb, ghcb-diff, exchange, pagestate, vmsa.

    (gdb) source vesper.py
    (gdb) target remote :1234

They need gdb 13 with Python 3 and nothing else. What they show is read from the target by
'monitor' and by packets of QEMU's that Vesper answers; nothing in the guest is changed.
"""

import re

import gdb

PAGE = 4096

# The GHCB's fields by their offsets (GHCB specification 2.04, table 3). Each is a quadword but CPL.
FIELDS = [
    (0x0CB, 1, "CPL"),
    (0x140, 8, "XSS"),
    (0x160, 8, "DR7"),
    (0x178, 8, "RIP"),
    (0x1D8, 8, "RSP"),
    (0x1F8, 8, "RAX"),
    (0x308, 8, "RCX"),
    (0x310, 8, "RDX"),
    (0x318, 8, "RBX"),
    (0x328, 8, "RBP"),
    (0x330, 8, "RSI"),
    (0x338, 8, "RDI"),
    (0x340, 8, "R8"),
    (0x348, 8, "R9"),
    (0x350, 8, "R10"),
    (0x358, 8, "R11"),
    (0x360, 8, "R12"),
    (0x368, 8, "R13"),
    (0x370, 8, "R14"),
    (0x378, 8, "R15"),
    (0x390, 8, "SW_EXITCODE"),
    (0x398, 8, "SW_EXITINFO1"),
    (0x3A0, 8, "SW_EXITINFO2"),
    (0x3A8, 8, "SW_SCRATCH"),
    (0x3E8, 8, "XCR0"),
]
VALID_BITMAP = 0x3F0
VERSION = 0xFFA
USAGE = 0xFFC


def monitor(command):
    """Returns what the target answers to a command of its monitor."""
    try:
        said = gdb.execute("monitor " + command, to_string=True)
    except gdb.error as e:
        raise gdb.GdbError("%s: connect to a guest of Vesper first, by 'target remote'" % e)
    if said.startswith("unknown command"):
        raise gdb.GdbError("the target is none of Vesper's: " + said.strip())
    return said


def packet(data):
    """Sends a packet as it is."""
    gdb.execute("maintenance packet " + data, to_string=True)


def shared_page(gpa):
    """Returns a page by its guest physical address, as a host sees it."""
    monitor("host-view on")
    packet("Qqemu.PhyMemMode:1")
    try:
        # gdb would take what it has read by linear addresses for it.
        gdb.execute("maintenance flush dcache", to_string=True)
        return bytes(gdb.selected_inferior().read_memory(gpa, PAGE))
    except gdb.MemoryError:
        raise gdb.GdbError("there is no memory at guest physical address 0x%x" % gpa)
    finally:
        packet("Qqemu.PhyMemMode:0")
        monitor("host-view off")
        gdb.execute("maintenance flush dcache", to_string=True)


def number(page, offset, size):
    """Returns a number of a page."""
    return int.from_bytes(page[offset : offset + size], "little")


def single(arguments, what, most=1):
    """Returns the one argument of a command, or an empty text."""
    words = gdb.string_to_argv(arguments)
    if len(words) > most:
        raise gdb.GdbError(what)
    return words[0] if words else ""


def log(count):
    """Returns the last exchanges: pairs of a headline and a dictionary of request and answer."""
    said = monitor("exchange-log %d" % count).splitlines()
    made = int(said[0].split()[0])
    all = []
    for line in said[1:]:
        if line.startswith("exchange "):
            all.append((line, {}))
            continue
        side, *fields = line.split()
        all[-1][1].update({(side, f.split("=")[0]): f.split("=")[1] for f in fields})
    return made, all


class VcList(gdb.Command):
    """Show the last #VC exceptions: vc-list [N]

They are counted from the beginning of the run."""

    def __init__(self):
        super().__init__("vc-list", gdb.COMMAND_DATA)

    def invoke(self, arguments, from_tty):
        n = single(arguments, "vc-list takes how many: vc-list [N]")
        gdb.write(monitor("vc-log " + (n or "10")))


class Ghcb(gdb.Command):
    """Show a GHCB with its valid bits: ghcb [GPA]

Without an address it is the page that the GHCB MSR of the selected vCPU names. A field that is
marked valid has a star; one that holds something without being marked is shown too."""

    def __init__(self):
        super().__init__("ghcb", gdb.COMMAND_DATA)

    def invoke(self, arguments, from_tty):
        if arguments.strip():
            gpa = int(gdb.parse_and_eval(arguments)) & (1 << 64) - 1
        else:
            gpa = int(gdb.parse_and_eval("$ghcb_msr")) & (1 << 64) - 1
            if gpa & PAGE - 1:
                raise gdb.GdbError(
                    "the GHCB MSR holds 0x%x, a message of the MSR protocol: name the page, as in"
                    " 'ghcb 0x1000'" % gpa
                )
        page = shared_page(gpa & -PAGE)
        gdb.write(
            "GHCB at 0x%x, protocol version %d, usage %d\n"
            % (gpa & -PAGE, number(page, VERSION, 2), number(page, USAGE, 4))
        )
        for offset, size, name in FIELDS:
            bit = offset // 8
            valid = page[VALID_BITMAP + bit // 8] >> bit % 8 & 1
            value = number(page, offset, size)
            if valid or value:
                gdb.write("  %s %03x %-13s 0x%x\n" % ("*" if valid else " ", offset, name, value))


class GhcbDiff(gdb.Command):
    """Show what is different between the last two exchanges by GHCB: ghcb-diff"""

    def __init__(self):
        super().__init__("ghcb-diff", gdb.COMMAND_DATA)

    def invoke(self, arguments, from_tty):
        single(arguments, "ghcb-diff takes no arguments", 0)
        _, exchanges = log(2)
        if len(exchanges) < 2:
            raise gdb.GdbError("two exchanges are needed; 'exchange' runs to the next ones")
        (before, old), (after, new) = exchanges
        gdb.write("- %s\n+ %s\n" % (before, after))
        names = [name for _, _, name in FIELDS]
        for side in ("request", "answer"):
            for name in names:
                a, b = old.get((side, name)), new.get((side, name))
                if a != b:
                    gdb.write("  %-7s %-13s %s -> %s\n" % (side, name, a or "-", b or "-"))


class Exchange(gdb.Command):
    """Run to an exchange by a GHCB: exchange [N]

N is its number, which may be that of an earlier one; without one it is the next. They are counted
from the beginning of the run."""

    def __init__(self):
        super().__init__("exchange", gdb.COMMAND_RUNNING)

    def invoke(self, arguments, from_tty):
        n = single(arguments, "exchange takes a number: exchange [N]")
        made, _ = log(0)
        if n and not re.fullmatch("[0-9]{1,18}", n):
            raise gdb.GdbError("exchange takes a number: exchange [N]")
        wanted = int(n) if n else made + 1
        if wanted == made and made > 0:
            gdb.write("exchange %d is the last one that there was\n" % made)
            return
        if wanted == 0:
            raise gdb.GdbError("exchanges are counted from 1")
        monitor("stop-on exchange %d" % wanted)
        try:
            gdb.execute("continue" if wanted > made else "reverse-continue")
        finally:
            try:
                monitor("stop-off exchange %d" % wanted)
            except gdb.GdbError:
                # The guest has come to its end.
                return
        made, last = log(1)
        if made != wanted:
            gdb.write("the guest has not come to exchange %d: it is at %d\n" % (wanted, made))
        elif last:
            gdb.write(last[0][0] + "\n")
        else:
            gdb.write("exchange %d: no more is kept of it\n" % made)


class PageState(gdb.Command):
    """Show whether memory is private or shared: pagestate ADDRESS

Says the guest physical address, how the page tables have it, how it was touched last, and under
SEV-SNP what the reverse map table says."""

    def __init__(self):
        super().__init__("pagestate", gdb.COMMAND_DATA)

    def invoke(self, arguments, from_tty):
        if not arguments.strip():
            raise gdb.GdbError("pagestate takes an address: pagestate ADDRESS")
        address = int(gdb.parse_and_eval(arguments).cast(gdb.lookup_type("unsigned long")))
        gdb.write(monitor("page-state 0x%x" % address))


class Vmsa(gdb.Command):
    """Show the encrypted save area of the selected vCPU in plaintext, as its last exit left it"""

    def __init__(self):
        super().__init__("vmsa", gdb.COMMAND_DATA)

    def invoke(self, arguments, from_tty):
        single(arguments, "vmsa takes no arguments: select the vCPU by 'thread'", 0)
        gdb.write(monitor("vmsa"))


for command in (VcList, Ghcb, GhcbDiff, Exchange, PageState, Vmsa):
    command()
