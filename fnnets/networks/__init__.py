"""The network families: feedforward, convolutional, recurrent, autoencoders; ensembles and transfer."""
