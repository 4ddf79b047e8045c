"""What LLVM and system files tell of the host, files of other machines too, and what holds where they do not."""

import math
import os
import sys

import numba
import pytest
from processes import output_of, run_python, start_python

from fastbp.kernels.runtime import barrier, host

X86 = host.ARCHITECTURE == "x86_64"
x86 = pytest.mark.skipif(not X86, reason="names of x86 CPUs")
linux = pytest.mark.skipif(sys.platform != "linux", reason="CPUs of a process are another matter there")


def write(folder, files):
    """Files of the system, by their paths in `folder`."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


# ------------------------------------------------------------------ vectors
@pytest.mark.skipif("FASTBP_VECTOR_BYTES" in os.environ, reason="another width is asked for")
@pytest.mark.skipif(host.ARCHITECTURE != "aarch64", reason="facts of 64-bit ARM")
def test_on_arm_vectors_are_those_of_neon():
    assert (host.VECTOR_BYTES, host.VECTOR_REGISTERS) == (16, 32)
    assert host.HAS_FMA
    assert not host.HAS_SCALEF


NAMES = {
    "nehalem": (16, False),
    "sandybridge": (16, False),
    "bdver2": (16, True),
    "haswell": (32, True),
    "alderlake": (32, True),
    "znver3": (32, True),
    "x86-64-v3": (32, True),
    "skylake-avx512": (64, True),
    "sapphirerapids": (64, True),
    "znver5": (64, True),
    "x86-64-v4": (64, True),
    "generic": (16, False),
    "no such CPU": (16, False),
}


@x86
@pytest.mark.parametrize("name", NAMES)
def test_a_cpus_name_implies_its_vectors_and_fused_multiply_add(name):
    assert host._probe(name, "") == NAMES[name]


@x86
@pytest.mark.parametrize(
    ("features", "implied", "expected"),
    [("+avx512f", "", (32, True)), ("-avx512f", "", (32, True)), ("+avx512f", "-avx2", (16, True))],
)
def test_of_a_named_cpu_counts_what_name_and_code_both_have(features, implied, expected):
    assert host._vector_facts("znver3", features, implied) == expected
    assert host._vector_facts("znver4", "-avx512f,-fma", "") == (32, False)
    assert host._vector_facts("znver4", "", None) == (64, True)


ASKING = """
from fastbp.kernels.runtime.host import *
print(VECTOR_BYTES, VECTOR_REGISTERS, HAS_FMA, HAS_SCALEF)
"""
# variables, then vector bytes, registers, fused multiply-add, scalef
BUILDS = [
    ({"NUMBA_CPU_NAME": "znver3"}, "32 16 True False"),
    ({"NUMBA_CPU_NAME": "znver3", "FASTBP_VECTOR_BYTES": 32}, "32 16 True False"),
    ({"NUMBA_CPU_NAME": "znver4", "NUMBA_CPU_FEATURES": ""}, "64 32 True True"),
    ({"NUMBA_CPU_NAME": "znver4", "NUMBA_CPU_FEATURES": "", "FASTBP_VECTOR_BYTES": 16}, "16 32 True True"),
    ({"NUMBA_CPU_NAME": "nehalem"}, "16 16 False False"),
    ({"NUMBA_CPU_NAME": "nehalem", "FASTBP_VECTOR_BYTES": 64}, "64 16 False False"),
    ({"NUMBA_CPU_NAME": "no such CPU"}, "16 16 False False"),
]


@x86
def test_variables_choose_another_cpu_and_another_width():
    unset = dict.fromkeys(("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "FASTBP_VECTOR_BYTES"))
    started = [start_python("-c", ASKING, **unset | variables) for variables, _ in BUILDS]
    assert [output_of(process).strip() for process in started] == [expected for _, expected in BUILDS]


def test_features_are_those_that_numba_gives_to_llvm(monkeypatch):
    codegen = pytest.importorskip("numba.core.codegen")
    for enabled in (True, False):
        monkeypatch.setattr(numba.config, "ENABLE_AVX", enabled)
        assert host._host_features() == str(codegen.get_host_cpu_features())


@pytest.mark.parametrize("value", ["0", "17", "-16", "wide", "16.0"])
def test_a_width_that_no_cpu_has_is_refused(value, monkeypatch):
    monkeypatch.setenv("FASTBP_VECTOR_BYTES", value)
    with pytest.raises(ValueError, match=f"FASTBP_VECTOR_BYTES is '{value}', expected 16, 32 or 64"):
        host._chosen_vector_bytes(16)


def test_an_empty_width_is_none(monkeypatch):
    monkeypatch.setenv("FASTBP_VECTOR_BYTES", "")
    assert host._chosen_vector_bytes(32) == 32


@pytest.mark.parametrize("wrong", ["sys.byteorder = 'big'", "sys.maxsize = 2**31 - 1"])
def test_a_system_that_the_kernels_are_not_for_is_refused_when_they_are_imported(wrong):
    code = f"""
import sys, numba
{wrong}
try:
    import fastbp.kernels.runtime.host
except ImportError as error:
    print(error)
"""
    assert "fastbp needs a 64-bit little-endian system, and this one is " in run_python(code)


# ------------------------------------------------------------------ what LLVM is asked for
INLINE_ASSEMBLY = """
import fastbp.kernels.runtime.jit
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

@intrinsic
def nothing(tyctx):
    def codegen(context, builder, sig, args):
        builder.asm(ir.FunctionType(ir.VoidType(), []), "nop", "", (), True)
        return context.get_dummy_value()
    return types.void(), codegen

numba.njit(lambda: nothing())()
print("done")
"""


def test_inline_assembly_does_not_end_the_process():
    assert run_python(INLINE_ASSEMBLY) == "done\n"


@pytest.mark.parametrize("architecture", ["", "riscv64", "ppc64le"])
def test_a_waiting_thread_pauses_by_its_cpus_instruction_if_one_is_known(architecture, monkeypatch):
    if architecture:
        monkeypatch.setattr(barrier, "ARCHITECTURE", architecture)

    @numba.njit
    def waiting():
        barrier.pause()

    waiting()
    (assembly,) = waiting.inspect_asm().values()
    found = [line for line in assembly.splitlines() if line.split()[:1] in (["pause"], ["isb"])]
    expected = {"x86_64": "pause", "aarch64": "isb"}.get(architecture or host.ARCHITECTURE)
    assert [line.split()[0] for line in found] == ([expected] if expected else [])


FACTS = ["ARCHITECTURE", "CPU_NAME", "CPU_FEATURES", "VECTOR_BYTES", "VECTOR_REGISTERS", "HAS_FMA", "HAS_SCALEF"]


@pytest.mark.parametrize("fact", [*FACTS, "CACHE_LINE", "L1_DATA", "L2"])
def test_a_build_is_told_apart_by_each_fact(fact, monkeypatch):
    before = host.build_facts()
    monkeypatch.setattr(host, fact, "another")
    assert host.build_facts() != before


# ------------------------------------------------------------------ caches
def cpu(system, number, *caches, siblings=""):
    """What Linux writes of one CPU: (level, type, size, line, CPUs that share it) of each cache."""
    folder = system / f"cpu{number}"
    for index, (level, kind, size, line, shared) in enumerate(caches):
        facts = {"level": level, "type": kind, "size": size, "coherency_line_size": line, "shared_cpu_list": shared}
        write(folder / f"cache/index{index}", facts)
    if siblings:
        write(folder, {"topology/thread_siblings_list": siblings})


L1I, L3 = (1, "Instruction", "64K", 256, "0"), (3, "Unified", "32768K", 256, "0-31")


def test_caches_are_those_of_the_core(tmp_path):
    cpu(tmp_path, 0, (1, "Data", "48K", 64, "0"), L1I, (2, "Unified", "2048K", 64, "0"), L3, siblings="0")
    assert host.linux_caches([0], tmp_path) == {"line": 64, "l1_data": 48 << 10, "l2": 2 << 20}


def test_threads_of_one_core_count_once(tmp_path):
    cpu(tmp_path, 0, (1, "Data", "32K", 64, "0,16"), L1I, (2, "Unified", "1M", 64, "0,16"), L3, siblings="0,16")
    assert host.linux_caches([0], tmp_path) == {"line": 64, "l1_data": 32 << 10, "l2": 1 << 20}


def test_a_core_has_its_share_of_a_cluster(tmp_path):
    cpu(tmp_path, 0, (1, "Data", "32K", 64, "0"), (2, "Unified", "2M", 128, "0-3"))
    assert host.linux_caches([0], tmp_path) == {"line": 128, "l1_data": 32 << 10, "l2": 512 << 10}


@pytest.mark.parametrize("cpus", [[0, 1, 2], [2, 1, 0], [0, 2]])
def test_where_cores_differ_the_smaller_caches_count_and_the_longer_line(cpus, tmp_path):
    cpu(tmp_path, 0, (1, "Data", "48K", 64, "0"), (2, "Unified", "1280K", 64, "0"))
    cpu(tmp_path, 2, (1, "Data", "32K", 64, "2"), (2, "Unified", "2M", 128, "2-3"))
    assert host.linux_caches(cpus, tmp_path) == {"line": 128, "l1_data": 32 << 10, "l2": 1 << 20}


def test_what_linux_does_not_tell_is_left_to_the_defaults(tmp_path):
    assert host.linux_caches([0, 1], tmp_path) == {}
    caches = tmp_path / "cpu0/cache"
    write(caches, {"index0/level": 1, "index0/type": "Data", "index0/size": "plenty"})
    write(caches, {"index1/level": 2, "index1/type": "Unified", "index1/coherency_line_size": "64 bytes"})
    write(caches, {"index2/type": "Data", "index2/size": "32K"})
    (caches / "index3/level").mkdir(parents=True)
    (caches / "index4").mkdir()
    (caches / "index4/level").write_bytes(b"\xff\xfe")
    assert host.linux_caches([0], tmp_path) == {}


M1 = {"hw.cachelinesize": 128, "hw.logicalcpu_max": 8, "hw.physicalcpu_max": 8, "hw.l1dcachesize": 64 << 10,
      "hw.l2cachesize": 4 << 20, "hw.perflevel0.l1dcachesize": 128 << 10, "hw.perflevel0.l2cachesize": 12 << 20,
      "hw.perflevel0.cpusperl2": 4}
INTEL = {"hw.cachelinesize": 64, "hw.logicalcpu_max": 12, "hw.physicalcpu_max": 6, "hw.l1dcachesize": 32 << 10,
         "hw.l2cachesize": 256 << 10}
INTEL_TODAY = INTEL | {"hw.perflevel0.l2cachesize": 256 << 10, "hw.perflevel0.cpusperl2": 2}


@pytest.mark.parametrize(
    ("told", "expected"),
    [(M1, (128, 128 << 10, 3 << 20)), (INTEL, (64, 32 << 10, 256 << 10)), (INTEL_TODAY, (64, 32 << 10, 256 << 10)),
     ({}, (0, 0, 0))],
    ids=["M1", "Intel", "Intel with levels", "nothing"],
)
def test_on_macos_lines_and_caches_are_those_of_its_faster_cores(told, expected):
    assert tuple(host.macos_caches(lambda name: told.get(name, 0)).values()) == expected


@pytest.mark.skipif(sys.platform != "darwin", reason="asks macOS")
def test_macos_answers_by_name():
    assert host._sysctl("hw.cachelinesize") in (64, 128)
    assert host._sysctl("hw.no such name") == 0


def test_facts_are_plausible_here():
    assert host.CACHE_LINE in (64, 128, 256)
    assert 8 << 10 <= host.L1_DATA <= host.L2 <= 64 << 20
    assert barrier._SLOT * 8 == 4 * host.CACHE_LINE


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_a_system_that_tells_nothing_has_the_defaults(platform, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(host, "_text", lambda path: "")
    assert host._with_defaults(host._system_caches()) == (64, 32 << 10, 256 << 10)


def test_a_line_is_no_shorter_than_a_vector_and_an_unknown_size_is_the_default():
    assert host._with_defaults({"line": 32, "l1_data": 0, "l2": 1 << 20}) == (64, 32 << 10, 1 << 20)
    assert host._with_defaults({"line": 256, "l1_data": 64 << 10}) == (256, 64 << 10, 256 << 10)


# ------------------------------------------------------------------ cores
def version_1(group, quota):
    return {f"{group}/cpu.cfs_quota_us": quota, f"{group}/cpu.cfs_period_us": 100000}


V2 = "0::/user.slice/job\n"
V1 = "12:pids:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n"


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        (V2, {"user.slice/job/cpu.max": "150000 100000"}, 1.5),
        (V2, {"user.slice/job/cpu.max": "max 100000", "user.slice/cpu.max": "300000 100000"}, 3),
        (V2, {"user.slice/job/cpu.max": "400000 100000", "cpu.max": "50000 100000"}, 0.5),
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/../other\n", {"cpu.max": "200000 100000", "../cpu.max": "100000 100000"}, 2),
        (V2, {"user.slice/job/cpu.max": "max 100000"}, math.inf),
        (V2, {"user.slice/job/cpu.max": "nonsense"}, math.inf),
        (V2, {"user.slice/job/cpu.max": "100000 0"}, math.inf),
        (V1, version_1("cpu,cpuacct/docker/ab", 250000), 2.5),
        (V1, version_1("cpu,cpuacct", 100000), 1),
        (V1, version_1("cpu/docker/ab", 50000), 0.5),
        (V1, version_1("cpu", 50000), 0.5),
        (V1, version_1("cpu/docker/ab", -1), math.inf),
        ("4:cpuset:/job\n", version_1("cpu", 50000), math.inf),
        (V2, {}, math.inf),
        ("", {"cpu.max": "100000 100000"}, math.inf),
        ("no group\n", {}, math.inf),
    ],
)
def test_the_quota_is_the_least_of_the_group_and_those_around_it(membership, files, expected, tmp_path):
    write(tmp_path, {"membership": membership})
    write(tmp_path / "mount", files)
    assert host.cpu_quota(tmp_path / "membership", tmp_path / "mount") == expected


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert host.cpu_quota(tmp_path / "none", tmp_path / "none") == math.inf


@pytest.fixture
def sixteen(monkeypatch):
    """A process that may run on 16 CPUs, without a quota and without variables that say how many."""
    monkeypatch.setattr(host, "affinity", lambda: list(range(16)))
    monkeypatch.setattr(host, "cpu_quota", lambda: math.inf)
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.usefixtures("sixteen")
@pytest.mark.parametrize(
    ("quota", "asked", "expected"),
    [(math.inf, None, 16), (2.0, None, 2), (2.1, None, 3), (0.1, None, 1), (100.0, None, 16), (math.inf, "1", 1),
     (math.inf, "4,2", 4), (math.inf, " 3 ", 3), (2.5, "8", 3), (4.0, "2", 2), (math.inf, "64", 16)]
    + [(math.inf, wrong, 16) for wrong in ("", "0", "-2", "many", "2.5", ",4")],
)
def test_cores_are_bounded_by_affinity_quota_and_openmp(quota, asked, expected, monkeypatch):
    monkeypatch.setattr(host, "cpu_quota", lambda: quota)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert host.usable_cores() == expected


@pytest.mark.usefixtures("sixteen")
def test_numbas_own_variable_is_the_users_word(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "5")
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 5)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(host, "cpu_quota", lambda: 3.0)
    assert host.usable_cores() == 5
    monkeypatch.setenv("NUMBA_NUM_THREADS", "")
    assert host.usable_cores() == 2


@linux
def test_cores_are_those_that_the_process_may_run_on():
    code = """
import os
from fastbp.kernels.runtime.host import affinity, usable_cores
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
print(len(affinity()), usable_cores())
"""
    assert run_python(code, NUMBA_NUM_THREADS=None, OMP_NUM_THREADS=None).split() == ["1", "1"]


def test_without_affinity_all_cpus_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert host.affinity() == [0, 1, 2]
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert host.affinity() == [0]
