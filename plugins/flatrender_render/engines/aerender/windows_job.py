"""A Windows job object: a program and all that it starts, ended together.

Owns the few calls into kernel32 that this takes. The job ends its processes when its last handle
closes (JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE), so they die with this process too. The program starts
suspended and joins the job before its first instruction: nothing that it starts can escape.
"""

import sys

if sys.platform == "win32":
    import ctypes
    import subprocess
    from collections.abc import Mapping, Sequence
    from ctypes import wintypes
    from pathlib import Path

    _EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
    _KILL_ON_CLOSE = 0x2000
    _CREATE_SUSPENDED = 0x4
    _CREATE_NO_WINDOW = 0x08000000

    class _Basic(ctypes.Structure):
        """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

        _fields_ = (
            ("per_process_time", ctypes.c_int64),
            ("per_job_time", ctypes.c_int64),
            ("flags", wintypes.DWORD),
            ("minimum_working_set", ctypes.c_size_t),
            ("maximum_working_set", ctypes.c_size_t),
            ("active_processes", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("priority", wintypes.DWORD),
            ("scheduling", wintypes.DWORD),
        )

    class _Extended(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

        _fields_ = (
            ("basic", _Basic),
            ("io", ctypes.c_uint64 * 6),
            ("process_memory", ctypes.c_size_t),
            ("job_memory", ctypes.c_size_t),
            ("peak_process", ctypes.c_size_t),
            ("peak_job", ctypes.c_size_t),
        )

    class Job:
        """One job object. Closing it ends what is in it. Raises ``OSError``."""

        def __init__(self) -> None:
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            self._ntdll = ctypes.WinDLL("ntdll")
            self._kernel.CreateJobObjectW.restype = wintypes.HANDLE
            self._kernel.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
            self._kernel.SetInformationJobObject.argtypes = (
                wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD,
            )  # fmt: skip
            self._kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
            self._kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
            self._ntdll.NtResumeProcess.argtypes = (wintypes.HANDLE,)
            self._handle = self._kernel.CreateJobObjectW(None, None)
            limits = _Extended()
            limits.basic.flags = _KILL_ON_CLOSE
            if not self._handle or not self._kernel.SetInformationJobObject(
                self._handle, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
            ):
                raise ctypes.WinError(ctypes.get_last_error())

        def start(
            self, command: Sequence[str], environment: Mapping[str, str], folder: Path
        ) -> subprocess.Popen[bytes]:
            """Start a program inside the job."""
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                creationflags=_CREATE_SUSPENDED | _CREATE_NO_WINDOW,
            )
            handle = int(process._handle)  # type: ignore[attr-defined]  # the only way to it
            if not self._kernel.AssignProcessToJobObject(self._handle, handle):
                error = ctypes.WinError(ctypes.get_last_error())
                process.kill()
                raise error
            self._ntdll.NtResumeProcess(handle)
            return process

        def close(self) -> None:
            """End everything in the job."""
            if self._handle:
                self._kernel.CloseHandle(self._handle)
                self._handle = None
