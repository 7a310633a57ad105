-- Wireshark dissector for GHCB exchanges that 'vesper run --trace F.pcapng' writes.
-- Install: vesper dissector > ~/.local/lib/wireshark/plugins/vesper-ghcb.lua
-- Once: tshark -X lua_script:vesper-ghcb.lua -r F.pcapng

-- TABLES

local TYPES = {
  [1] = "GHCB request", [2] = "GHCB answer", [3] = "MSR request",
  [4] = "MSR response", [5] = "#VC", [6] = "#VC return",
  [7] = "RMP instruction", [8] = "RMP change", [9] = "RMP violation",
}

local ghcb = Proto("ghcb", "Guest-Hypervisor Communication Block")
local f = ghcb.fields
f.version = ProtoField.uint8("ghcb.packet_version", "Packet version")
f.type = ProtoField.uint8("ghcb.type", "Type", base.DEC, TYPES)
f.vcpu = ProtoField.uint16("ghcb.vcpu", "vCPU")
f.cpl = ProtoField.uint8("ghcb.cpl", "CPL")
f.private = ProtoField.bool("ghcb.private", "GHCB page is private", 8, nil, 1)
f.bits = ProtoField.uint8("ghcb.bits", "Code width")
f.vc = ProtoField.uint32("ghcb.vc", "#VC in service")
f.error = ProtoField.uint32("ghcb.error_code", "Error code", base.HEX, EXITS)
f.rip = ProtoField.uint64("ghcb.rip", "RIP", base.HEX)
f.gpa = ProtoField.uint64("ghcb.gpa", "GHCB address", base.HEX)
f.msr = ProtoField.uint64("ghcb.msr", "GHCB MSR", base.HEX)
f.page = ProtoField.uint64("ghcb.page", "Guest physical address", base.HEX)
f.info = ProtoField.uint16("ghcb.msr_info", "GHCBInfo", base.HEX, MSR_CODES)
f.place = ProtoField.string("ghcb.place", "Place")
f.instruction = ProtoField.string("ghcb.instruction", "Instruction")
f.action = ProtoField.string("ghcb.action", "Action")
f.exit = ProtoField.uint32("ghcb.exit", "Exit", base.HEX, EXITS)
f.valid = ProtoField.bytes("ghcb.valid_bitmap", "Valid bitmap")
f.usage = ProtoField.uint32("ghcb.usage", "Usage", base.HEX)
f.protocol = ProtoField.uint16("ghcb.protocol_version", "Protocol version")
f.buffer = ProtoField.bytes("ghcb.buffer", "Shared buffer")
for _, x in ipairs(FIELDS) do
  local key = x[1]:lower()
  local make = x[3] == 1 and ProtoField.uint8 or ProtoField.uint64
  f["r_" .. key] = make("ghcb." .. key, x[1], base.HEX)
end

local function text(tree, field, buf, at)
  local n = buf(at, 2):le_uint()
  local s = n > 0 and buf(at + 2, n):string(ENC_UTF_8) or ""
  if n > 0 then
    tree:add_packet_field(field, buf(at + 2, n), ENC_UTF_8)
  end
  return at + 2 + n, s
end

local function is_valid(buf, at, bit)
  local byte = buf(at + 0x3F0 + math.floor(bit / 8), 1):uint()
  return math.floor(byte / 2 ^ (bit % 8)) % 2 == 1
end

local function page(tree, buf, at)
  local code = buf(at + 0x390, 4):le_uint()
  tree:add_le(f.exit, buf(at + 0x390, 4))
  tree:add(f.valid, buf(at + 0x3F0, 16))
  local valid = tree:add(ghcb, buf(at, 0x408), "Fields marked valid")
  local others = nil
  for _, x in ipairs(FIELDS) do
    local part = buf(at + x[2], x[3])
    local field = f["r_" .. x[1]:lower()]
    if is_valid(buf, at, x[4]) then
      valid:add_le(field, part)
    elseif part:le_uint64() ~= UInt64(0) then
      others = others or tree:add(ghcb, buf(at, 0x408), "Fields that hold something unmarked")
      others:add_le(field, part)
    end
  end
  at = at + 0x408
  tree:add_le(f.usage, buf(at, 4))
  tree:add_le(f.protocol, buf(at + 4, 2))
  local n = buf(at + 6, 2):le_uint()
  if n > 0 then
    tree:add(f.buffer, buf(at + 8, n))
  end
  return EXITS[code] or string.format("0x%x", code)
end

function ghcb.dissector(buf, pinfo, root)
  if buf:len() < 38 or buf(0, 1):uint() ~= 1 then
    return 0
  end
  pinfo.cols.protocol = "GHCB"
  local kind = buf(1, 1):uint()
  local tree = root:add(ghcb, buf(), "GHCB: " .. (TYPES[kind] or "unknown"))
  tree:add(f.version, buf(0, 1))
  tree:add(f.type, buf(1, 1))
  tree:add_le(f.vcpu, buf(2, 2))
  tree:add(f.cpl, buf(4, 1))
  tree:add(f.private, buf(5, 1))
  tree:add(f.bits, buf(6, 1))
  tree:add_le(f.vc, buf(8, 4))
  tree:add_le(f.error, buf(12, 4))
  tree:add_le(f.rip, buf(16, 8))
  local vcpu = "vCPU " .. buf(2, 2):le_uint()
  pinfo.cols.src = kind % 2 == 1 and vcpu or "hypervisor"
  pinfo.cols.dst = kind % 2 == 1 and "hypervisor" or vcpu
  if kind == 3 or kind == 4 then
    tree:add_le(f.msr, buf(24, 8))
    tree:add(f.info, buf(24, 2), buf(24, 2):le_uint() % 0x1000)
  elseif kind < 3 then
    tree:add_le(f.gpa, buf(24, 8))
  elseif kind > 6 then
    tree:add_le(f.page, buf(24, 8))
  end
  local at, place, instruction, action
  at, place = text(tree, f.place, buf, 32)
  at, instruction = text(tree, f.instruction, buf, at)
  at, action = text(tree, f.action, buf, at)
  local what = action
  if kind < 3 and buf:len() >= at + 0x408 + 8 then
    what = page(tree, buf, at) .. (kind == 2 and ": " .. action or "")
  end
  pinfo.cols.info = (TYPES[kind] or "?") .. " " .. what .. " at " .. place .. " {" .. instruction .. "}"
  return buf:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, ghcb)
