package record

// The tricks: what an intruder tries while it has no right to. Each must be
// refused with a 4xx. TrickOtherBody belongs to I10, the rest to I11.
const (
	TrickNoPass        = "no_pass"        // reserves without having entered
	TrickForgedShopper = "forged_shopper" // reserves with a changed token
	TrickOthersShopper = "others_shopper" // reserves with another fan's token
	TrickForgedPass    = "forged_pass"    // enters with a changed pass
	TrickOthersPass    = "others_pass"    // enters with another fan's pass
	TrickOtherBody     = "other_body"     // uses an Idempotency-Key for another request
	TrickReplayedPass  = "replayed_pass"  // enters with its own pass, after the visit was over
)

// Tricks are those that a fan tries before it is let in.
var Tricks = []string{TrickNoPass, TrickForgedShopper, TrickOthersShopper, TrickForgedPass, TrickOthersPass}
