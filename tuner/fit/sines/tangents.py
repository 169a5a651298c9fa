"""Values and derivatives of a network in one pass, themselves differentiable by its weights.

The derivative of a sine layer is its cosine times the derivative of what goes in, so the tangents of all coordinates
travel forward beside the values, as more rows of the same products. A loss on gradients then costs one ordinary
backward pass: nothing is differentiated twice. The eikonal loss (`tuner.fit.sines.eikonal`) is one.
`tuner.fit.sines.trainable.gradients` is the slow twin, `tuner.network.sines.synthesis.gradients_at` does the same in
numpy.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from tuner.fit.sines.module import SineNetwork


def values_and_gradients(
    network: SineNetwork, coords_PD: Float[Tensor, "points dims"]
) -> tuple[Float[Tensor, "points channels"], Float[Tensor, "points channels dims"]]:
    """Values and their derivatives by each coordinate, per unit of the coordinate."""
    points, dimensions = coords_PD.shape
    angular_MD = network.angular_MD
    angle_PM = torch.addmm(network.phases_M, coords_PD, angular_MD.T)
    sine, cosine = angle_PM.sin(), angle_PM.cos()
    tangents = [cosine * angular_MD[:, d] for d in range(dimensions)]
    for layer in network.layers:
        turned = torch.cat([sine, *tangents]) @ layer.weight_HM.T
        angle = turned[:points] + layer.bias_H
        sine, cosine = angle.sin(), angle.cos()
        tangents = [cosine * tangent for tangent in turned[points:].chunk(dimensions)]
    gradients = [tangent @ network.readout_weight_CH.T for tangent in tangents]
    return network.readout(sine), torch.stack(gradients, -1)
