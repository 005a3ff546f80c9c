"""The doors: what each package hands on, and that everything else is private by its name."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import jaxsize

ROOT = Path(jaxsize.__file__).parent
PACKAGES = [
    *("curvature", "data", "estimators", "export", "gates", "learners", "measures", "networks", "plots"),
    *("programs", "resizing", "results", "statistics", "studies", "sweeps", "training", "units", "widths"),
]
DOORS = {
    "": "Compacted Group InputError Network UnitGroups compact conv curvature data dense estimators export fold_gates"
    " gated_conv gated_matmul gates group_norms init_conv init_dense init_gate learn_widths learners liveness_gate"
    " liveness_penalty load_network measures mlp networks plots programs relu resizing results save_network size_gate"
    " size_gates size_penalty statistics studies sweeps training unit_gates unit_groups units widths",
    "curvature": "CurvatureSummary ExtremeEigenvalues HessianFreeState MlpProducts SpectralDensity SpectrumSummary"
    " density_curve extreme_eigenvalues ggn_vp ggn_vps hessian_free hvp hvps linear_ggn linear_hvp mlp_r_operator"
    " spectral_density summarise",
    "data": "Dataset DatasetNotFoundError Form NAMES Split Task as_images as_pixels flattened from_arrays"
    " from_image_folder from_npz from_table hold_out_batches load noise_like sets",
    "estimators": "FittedNetwork SizedClassifier SizedRegressor",
    "export": "ACTIVATIONS Exported RestoredNetwork SavedNetwork export_network fold_gates load_network save_network",
    "gates": "DeathRule SignMoments absorbing count_live gated_conv gated_matmul gray_zone group_norms hand_in"
    " liveness_gate liveness_penalty read_liveness read_sizes relu replace_liveness sign_variance size_gate size_gates"
    " size_penalty slope_of threshold units_beside with_sizes",
    "learners": "Hparams Learner Start TASKS Task cannot_close entropy_floor flexible flip_gates for_scaled_inputs"
    " importance leaf_rates mean_over_rows plain rebalance reconstruction regression sampled_gates sparsifier"
    " steps_to_close supervised task_of with_curvature",
    "measures": "DeadUnits ExponentialNormal LeftOut Moments PrincipalComponents TwoGammas activation_spread"
    " batch_moments dead_units directions error_curve exponential_normal_mixture leave_one_out likelihood_dimension"
    " merge_moments outputs_by_components participation_ratio principal_components shapiro_w streamed_spread"
    " two_gamma_mixture two_nn_dimension",
    "networks": "BiasInitializer Gate Initializer Network Params autoencoder autoencoder_layers"
    " autoencoder_weights conv dense init_bias init_conv init_dense init_gate init_kernel init_liveness mlp"
    " num_mlp_multiply_adds num_mlp_parameters unit_gates with_gates",
    "plots": "Look STYLE band bands colors curves ends grid legend legend_beside log_axis looks points save style"
    " subplots zoom_axis",
    "programs": "Batch Config Data Device Execution Rows RunAxis TrainState describe_devices init_state make_epoch"
    " make_evaluate row_order stack unstack use_all_cores",
    "resizing": "Shrinking Widening bucket converged_epoch widen",
    "results": "BatchRows Folder Rows Runs StepArray checkpoints json_files open_folder score_columns score_sign"
    " versions write_arrays",
    "statistics": "Break Direction Estimate Front LAWS Part Verdict bootstrap_interval claim describe"
    " equivalence_ratio equivalence_verdict family fit_break fit_laws front holm median_interval not_decided"
    " on_front paired_difference range_verdict rank_agreement seeds_to_settle size_at smallest_sample trend"
    " trend_verdict verdict",
    "studies": "Arm ArmView Arms Claim Command DatasetFlags Flags FormsFlags Learned Picture Setup Study"
    " TrainingFlags above across any_part before_and_after below better between columns each equal exactly flag gain"
    " gain_over gains grids listed listing opening pages per still_open summary trending unclear versus within"
    " write_report",
    "sweeps": "Partner columns cutting layer_rate_sweep layer_rates partner_batches partners penalties penalty_sweep"
    " random_widths save_networks setting_sweep size_sweep sizes",
    "training": "FinalNetwork Progress Trained epoch_times require_room train",
    "units": "Compacted Group Per Place UnitGroups activations are_signed compact input_gates network_sizes pad_units"
    " prune_by_magnitude reorder_units require_closing_gates resizable unit_groups unit_prices",
    "widths": "LearnedWidths learn_widths",
}


def package_of(name):
    return importlib.import_module(f"jaxsize.{name}".rstrip("."))


@pytest.mark.parametrize("name", DOORS)
def test_a_door_lists_what_a_user_imports(name):
    package = package_of(name)
    assert sorted(package.__all__) == sorted(DOORS[name].split())
    assert all(hasattr(package, each) for each in package.__all__)


def public_definitions(path):
    """Functions and classes of a file that have no underscore before their name."""
    nodes = ast.parse(path.read_text()).body
    names = [node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return [name for name in names if not name.startswith("_")]


@pytest.mark.parametrize("name", PACKAGES)
def test_everything_else_is_private_by_name(name):
    """A public file holds only what its package hands on, one by one or with the whole module."""
    package, door = package_of(name), DOORS[name].split()
    for path in (ROOT / name).glob("*.py"):
        handed_on = path.stem in door and inspect.ismodule(getattr(package, path.stem))
        if not path.name.startswith("_") and not handed_on:
            assert not set(public_definitions(path)) - set(door), path
    for folder in (path for path in (ROOT / name).iterdir() if any(path.glob("*.py"))):
        assert folder.name.startswith("_") or folder.name in door


HANDED_ON = {  # functions and classes by one of their names; what is typing's or JAX's own is not ours to explain
    f"{package}.{name}".lstrip("."): thing
    for package in DOORS
    for name, thing in vars(package_of(package)).items()
    if name in DOORS[package].split() and (inspect.isfunction(thing) or inspect.isclass(thing))
    if thing.__module__.startswith("jaxsize.")
}


@pytest.mark.parametrize("name", HANDED_ON)
def test_what_is_handed_on_says_what_it_does_with_an_example(name):
    thing, text = HANDED_ON[name], inspect.getdoc(HANDED_ON[name]) or ""
    assert text.splitlines()[0].endswith("."), "a first line that is a sentence"
    assert ">>> " in text, "an example that runs (tests/test_doctests.py)"
    if inspect.isfunction(thing) and len(inspect.signature(thing).parameters) > 2:
        assert "Args:" in text


def test_importing_jaxsize_is_light_and_touches_no_device():
    heavy = [
        "optax",
        "flax",
        "orbax",
        "scipy",
        "sklearn",
        "matplotlib",
        "tyro",
        "tqdm",
        "tensorflow_datasets",
        "jinja2",
    ]
    code = (
        "import sys, jax, jaxsize, jaxsize.data, jaxsize.statistics, jaxsize.plots\n"
        f"print([name for name in {heavy} if name in sys.modules], jax._src.xla_bridge.backends_are_initialized())\n"
        "print('jaxsize.training' in sys.modules, jaxsize.training.train.__name__, 'training' in dir(jaxsize))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[] False", "False train True"]


def test_a_name_that_is_not_there_is_told_as_usual():
    with pytest.raises(AttributeError, match="module 'jaxsize' has no attribute 'trainer'"):
        jaxsize.trainer  # noqa: B018
