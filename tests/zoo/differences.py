"""Measures that tell twins apart: the function is the same, what they look at is not."""

from __future__ import annotations

__all__ = ["BY_MASKED_WEIGHTS", "BY_MODULE", "BY_MORE_WEIGHTS", "BY_UNUSED_LAYERS", "NOISE"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Where directions and lengths are parameters of their own: they are more, and paths between them bend.
BY_MORE_WEIGHTS = _names(
    """
    aic bic bit_count_bound coherence_bound covering_bound dist_over_traj e_alpha grad_cosine_init
    gradient_kurtosis gsnr interpolation_barrier interpolation_barrier_simplex tk_complexity tk_rademacher
    traj_length trajectory_magnitude
    """
)

# Weights that are masked have no gradients, those that were set to zero for good have.
BY_MASKED_WEIGHTS = _names(
    """
    coherence_alpha coherence_bound coherence_early coherence_from_batches coherence_late coherence_m_alpha
    covering_bound dist_over_traj e_alpha fisher_trace grad_cosine_init grad_noise_epoch1 grad_noise_final
    grad_norm_train gradient_confusion gradient_kurtosis gsnr interpolation_barrier
    interpolation_barrier_simplex noise_scale stiffness_between stiffness_between_val stiffness_cos
    stiffness_cos_val stiffness_critical_length stiffness_distance stiffness_sign stiffness_sign_val
    stiffness_within stiffness_within_val tk_alignment tk_complexity tk_effective_rank tk_rademacher
    tk_residual_alignment tk_top_eigenvalue tk_top_share tk_trace traj_length trajectory_magnitude
    """
)

# What is measured of all layers is so of those, too, that no pass calls.
BY_UNUSED_LAYERS = _names(
    """
    aic bic bit_count_bound coherence_bound condition_number covering_bound dist_l11_init dist_l21_init
    dist_over_traj dist_spec_init e_alpha effective_rank fanin_l1_norm fisher_rao fro_dist fro_over_spec kg
    l1_rademacher_bound l2 l2_dist lipschitz_upper log_params log_prod_of_fro log_prod_of_fro_over_margin
    log_prod_of_spec log_prod_of_spec_over_margin log_spec_init_main log_spec_orig_main log_spectral_mean
    log_sum_of_fro log_sum_of_fro_over_margin log_sum_of_spec log_sum_of_spec_over_margin norm_l11 norm_l21
    num_layers num_params pacbayes_init pacbayes_mag_init pacbayes_mag_orig pacbayes_orig param_norm
    sharpness_init sharpness_mag_init sharpness_mag_orig sharpness_orig spec_init spec_orig
    spectral_product_bound spectrally_normalized_margin stable_quality tk_complexity tk_rademacher
    traj_length trajectory_magnitude vc_bound vc_dim weight_tail_kurtosis
    """
)

# A layer's block of the Hessian has the weights of one module, and this network is one module.
BY_MODULE = frozenset({"hessian_top_eig_per_layer"})

# Attention does not change with the biases of its keys: their gradients are rounding, and so are ratios.
NOISE = frozenset({"gradient_kurtosis", "gsnr"})
