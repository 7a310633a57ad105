package dev.vesper.machine.launch;

/**
 * Status codes of the SEV API, at their numbers (spec: launch 1); from INVALID_PAGE_SIZE on they
 * came with SEV-SNP (spec: snp 6.1).
 */
public enum SevStatus {
  SUCCESS,
  INVALID_PLATFORM_STATE,
  INVALID_GUEST_STATE,
  INVALID_CONFIG,
  INVALID_LENGTH,
  ALREADY_OWNED,
  INVALID_CERTIFICATE,
  POLICY_FAILURE,
  INACTIVE,
  INVALID_ADDRESS,
  BAD_SIGNATURE,
  BAD_MEASUREMENT,
  ASID_OWNED,
  INVALID_ASID,
  WBINVD_REQUIRED,
  DF_FLUSH_REQUIRED,
  INVALID_GUEST,
  INVALID_COMMAND,
  ACTIVE,
  HWERROR_PLATFORM,
  HWERROR_UNSAFE,
  UNSUPPORTED,
  INVALID_PARAM,
  RESOURCE_LIMIT,
  SECURE_DATA_INVALID,
  INVALID_PAGE_SIZE,
  INVALID_PAGE_STATE,
  INVALID_MDATA_ENTRY,
  INVALID_PAGE_OWNER,
  AEAD_OFLOW,
  EXIT_RING_BUFFER(0x1F),
  RMP_INIT_REQUIRED,
  BAD_SVN,
  BAD_VERSION,
  SHUTDOWN_REQUIRED,
  UPDATE_FAILED,
  RESTORE_REQUIRED,
  RMP_INITIALIZATION_FAILED,
  INVALID_KEY,
  SHUTDOWN_INCOMPLETE;

  private final int code;

  SevStatus() {
    code = ordinal() <= 0x1D ? ordinal() : ordinal() + 1;
  }

  SevStatus(int code) {
    this.code = code;
  }

  /** {@return the number that a command's buffer carries} */
  public int code() {
    return code;
  }
}
