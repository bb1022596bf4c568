"""How fast Frontline is, as ratios in one run to the raw limit of the hardware and to what else one may use."""
