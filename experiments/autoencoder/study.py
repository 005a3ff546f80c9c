"""Which optimiser trains an autoencoder fastest, does depth delay gradient descent, what do two latent units show?

    python -m experiments.autoencoder                       digits, 10 seeds, half an hour on 2 busy cores
    python -m experiments.autoencoder --dataset mnist       5000 training rows, 6 seeds; an hour, by what epochs take
    python -m experiments.autoencoder --dataset mnist --full    as in the seed, days on 2 cores

A report of 2017 (seed `002_2034385bae2412e3.txt`, S2) trained three autoencoders with two latent units by SGD, RMSprop
and Adam, at rates that it does not tell, once each. Here every optimiser gets the rate that is best on validation rows
for every structure, in half decades; runs are paired over seeds; test loss is drawn against epochs, steps and seconds.
Rates and batch sizes are varied jointly, where the report varied one at a time (E28). Hessian-free is a fourth
contestant. Curvature is measured along training and along compression (`curvature/`). Answers C48, C49 and C50. The
loss is half the squared error per image, whose floor is 0.
"""

from experiments.autoencoder import claims, classes, grid, pictures
from experiments.autoencoder.answers import answer
from experiments.autoencoder.curvature import arms as spectra
from experiments.autoencoder.flags import PRESETS, AutoencoderFlags
from experiments.autoencoder.plane import measure_planes
from experiments.autoencoder.times import measure_times, run_seconds
from experiments.autoencoder.tuning import contests, first_tries, tuning_table
from experiments.autoencoder.views import LOSS, prepared
from experiments.common.pixels import EXCESS, floor
from jaxsize import studies
from jaxsize.programs import Batch
from jaxsize.studies import Setup


def arms(setup: Setup) -> list[Batch]:
    """Make the batches that need no chosen rate: those with which rates are chosen, the joint grid, and curvature."""
    made = list(first_tries(setup))
    made += grid.grid_batches(setup.after(*made))
    return [*made, *spectra.arms(setup.after(*made))]


STUDY = studies.Study(
    name="autoencoder",
    flags=AutoencoderFlags,
    presets=PRESETS,
    prepare=prepared,
    arms=arms,
    followers=spectra.followers,
    rounds=contests,
    cautions=spectra.cautions,
    table=studies.columns(
        *("train_loss", EXCESS, LOSS),
        arms=("SGD", "RMSprop", "Adam", "Hessian-free"),
        by=("structure",),
        floor=floor,
        run_seconds=run_seconds,
    ),
    checks=[measure_planes, measure_times, tuning_table, *spectra.CHECKS],
    claims=claims.CLAIMS | grid.CLAIMS | classes.CLAIMS | spectra.CLAIMS,
    pictures=pictures.PICTURES | {"grid": grid.heat_maps, "plane": classes.latent_planes} | spectra.PICTURES,
    answer=answer,
)
COMMAND = STUDY.command
