"""Networks: encoders of a frame, and what makes one vector of a clip from them."""
